//! Scans return rows in the order of their keys in both directions, for keys of any bytes.
//!
//! sled finds the leaf before another one by a guess that has four bytes of `FF`. The guess failed
//! on keys with five of them, which signed numbers just below zero have: a descending scan over
//! zero panicked, and an intact table was reported as damaged.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use actuarius_persistence::views::{Changes, Table};
use proptest::prelude::*;
use tempfile::TempDir;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn table() -> (TempDir, Table) {
    let directory = tempfile::tempdir().expect("a directory");
    let place = actuarius_sled::views(directory.path()).place("orders").expect("opens");
    (directory, place.table(1).expect("opens"))
}

fn put<'a>(table: &mut Table, space: u8, keys: impl IntoIterator<Item = &'a Vec<u8>>) {
    let mut changes = Changes::new();
    for key in keys {
        changes.put(space, key, key).expect("fits");
    }
    table.commit(changes).expect("stored");
}

/// Encodes a signed number as a key: the flipped sign bit puts negative numbers first.
fn signed(number: i64) -> Vec<u8> {
    (number.cast_unsigned() ^ 1 << 63).to_be_bytes().to_vec()
}

/// Reads all keys of a space, page by page.
fn paged(table: &Table, space: u8, descending: bool) -> Vec<Vec<u8>> {
    let (reader, mut keys): (_, Vec<Vec<u8>>) = (table.reader(), vec![]);
    loop {
        let last = keys.last().map_or(Unbounded, |key| Excluded(&key[..]));
        let range = if descending { (Unbounded, last) } else { (last, Unbounded) };
        let page = reader.scan(space, range, descending, 7).expect("readable");
        if page.is_empty() {
            return keys;
        }
        keys.extend(page.into_iter().map(|(key, _)| key.to_vec()));
    }
}

/// Amounts between `-most` and `most`, spread like random ones.
fn amounts(start: u64, count: u64, most: i64) -> Vec<Vec<u8>> {
    let spread = |number: u64| {
        let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (number ^ number >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    };
    let within = |number: u64| (number % (2 * most.unsigned_abs() + 1)).cast_signed() - most;
    (start..start + count).map(|number| signed(within(spread(number)))).collect()
}

#[test]
fn amounts_around_zero_are_read_in_descending_order() {
    let (_directory, mut table) = table();
    for space in 0..42 {
        // The last two have many leaves below several nodes.
        let (count, most) = if space < 40 { (100, 100_000) } else { (6_000, 1 << 24) };
        let mut keys = amounts(u64::from(space) * 100, count, most);
        put(&mut table, space, &keys);
        keys.sort();
        keys.dedup();
        assert_eq!(paged(&table, space, false), keys);
        keys.reverse();
        assert_eq!(paged(&table, space, true), keys);
    }
}

/// Keys with many special bytes, many of them with a common prefix.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |some| {
        let byte = prop::sample::select(vec![0u8, 1, 0x7F, 0x80, 0xFE, 0xFF]);
        prop::collection::vec(byte, some)
    };
    (bytes(0..=2), 0..=7usize, bytes(0..=3))
        .prop_map(|(start, run, end)| [start, vec![0xFF; run], end].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn keys_of_any_bytes_are_read_in_both_directions(
        batches in prop::collection::vec(prop::collection::hash_set(key(), 50..150), 2..5),
        space in prop::sample::select(vec![0u8, 7, 254, 255]),
    ) {
        let ((_directory, mut table), mut rows) = (table(), Rows::new());
        for batch in &batches {
            put(&mut table, space, batch);
            rows.extend(batch.iter().map(|key| (key.clone(), key.clone())));
            let keys: Vec<_> = rows.keys().cloned().collect();
            prop_assert_eq!(paged(&table, space, false), keys);
            let keys: Vec<_> = rows.keys().rev().cloned().collect();
            prop_assert_eq!(paged(&table, space, true), keys);
        }
        for key in rows.keys() {
            let found = table.reader().get(space, key).expect("readable");
            prop_assert_eq!(found.as_deref(), Some(&key[..]));
        }
    }
}
