//! Tables of views behave the same in memory and on disk: rows, scans, limits, generations and
//! locks.

use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_persistence::views::{
    CHANGES_BYTES_MAX, CHANGES_BYTES_SOFT, Changes, Entry, KEY_BYTES_MAX, Table, TableReader,
    VALUE_BYTES_MAX, ViewError, Views,
};
use tempfile::TempDir;

/// Views and their directory, which is removed on drop.
struct Home {
    views: Views,
    _directory: Option<TempDir>,
}

/// Runs a test on views in memory and on views on disk.
fn everywhere(test: impl Fn(&Views)) {
    for home in homes() {
        test(&home.views);
    }
}

fn homes() -> [Home; 2] {
    let directory = tempfile::tempdir().expect("a directory");
    let views = actuarius_sled::views(directory.path());
    [
        Home { views: Views::in_memory(), _directory: None },
        Home { views, _directory: Some(directory) },
    ]
}

fn table(views: &Views) -> Table {
    views.place("orders").expect("opens").table(1).expect("opens")
}

fn put(table: &mut Table, rows: &[(u8, &[u8], &[u8])]) {
    let mut changes = Changes::new();
    for (space, key, value) in rows {
        changes.put(*space, key, value).expect("fits");
    }
    table.commit(changes).expect("stored");
}

fn remove(table: &mut Table, space: u8, key: &[u8]) {
    let mut changes = Changes::new();
    changes.remove(space, key).expect("fits");
    table.commit(changes).expect("stored");
}

fn all(reader: &TableReader, space: u8) -> Vec<Entry> {
    reader.scan(space, (Unbounded, Unbounded), false, usize::MAX).expect("readable")
}

fn get(reader: &TableReader, space: u8, key: &[u8]) -> Option<Vec<u8>> {
    reader.get(space, key).expect("readable").map(|value| value.to_vec())
}

#[test]
fn committed_rows_are_readable_after_reopening() {
    everywhere(|views| {
        let mut first = table(views);
        put(&mut first, &[(1, b"a", b"one"), (2, b"a", b"two")]);
        put(&mut first, &[(1, b"a", b"uno"), (1, b"b", b"")]);
        remove(&mut first, 2, b"a");
        for _ in 0..2 {
            let reader = first.reader();
            assert_eq!(get(&reader, 1, b"a"), Some(b"uno".to_vec()));
            assert_eq!(get(&reader, 1, b"b"), Some(vec![]));
            assert_eq!(get(&reader, 2, b"a"), None);
            drop(reader);
            drop(first);
            first = table(views);
        }
    });
}

#[test]
fn batches_of_every_size_are_readable_after_reopening() {
    everywhere(|views| {
        let mut open = table(views);
        for batch in 0..60u32 {
            let mut changes = Changes::new();
            for row in 0..batch * 20 {
                changes.put(0, &row.to_be_bytes(), &batch.to_be_bytes()).expect("fits");
            }
            open.commit(changes).expect("stored");
        }
        drop(open);
        let found = all(&table(views).reader(), 0);
        assert_eq!(found.len(), 59 * 20);
        assert!(found.iter().all(|(_, value)| value[..] == 59u32.to_be_bytes()));
    });
}

#[test]
fn two_rows_of_one_batch_never_differ() {
    everywhere(|views| {
        let (mut table, done) = (table(views), AtomicBool::new(false));
        let write = |table: &mut Table, batch: u32| {
            let mut changes = Changes::new();
            for row in 0..200u32 {
                changes.put(0, &row.to_be_bytes(), &batch.to_be_bytes()).expect("fits");
            }
            table.commit(changes).expect("stored");
        };
        write(&mut table, 0);
        std::thread::scope(|scope| {
            for descending in [false, true] {
                let (reader, done) = (table.reader(), &done);
                scope.spawn(move || {
                    let mut last = vec![0; 4];
                    while !done.load(Ordering::Relaxed) {
                        let whole = (Unbounded, Unbounded);
                        let found = reader.scan(0, whole, descending, 200).expect("readable");
                        assert_eq!(found.len(), 200);
                        assert!(found.iter().all(|(_, value)| *value == found[0].1));
                        assert!(last <= found[0].1, "a reader saw an older batch");
                        last = found[0].1.to_vec();
                    }
                });
            }
            (1..100).for_each(|batch| write(&mut table, batch));
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn large_values_are_read_as_written_and_replace_each_other() {
    everywhere(|views| {
        let value = |bytes: usize| (0..bytes).map(|at| (at * 7 + bytes) as u8).collect::<Vec<_>>();
        let sizes = [0, 1, 1999, 2000, 2001, 3999, 4000, 4001, 8000, 70_000, VALUE_BYTES_MAX];
        let mut open = table(views);
        for &bytes in sizes.iter().chain(sizes.iter().rev()) {
            let large = value(bytes);
            put(&mut open, &[(0, b"a", b"small"), (0, b"b", &large), (0, b"c", &large)]);
            let reader = open.reader();
            assert_eq!(get(&reader, 0, b"b"), Some(large.clone()));
            assert_eq!(all(&reader, 0)[2].1, large);
            drop(reader);
            drop(open);
            open = table(views);
            assert_eq!(get(&open.reader(), 0, b"c"), Some(large));
        }
        let large = value(VALUE_BYTES_MAX);
        put(&mut open, &[(0, b"b", &large), (0, b"c", &large), (0, b"d", &large)]);
        remove(&mut open, 0, b"b");
        assert_eq!(get(&open.reader(), 0, b"b"), None);
        assert_eq!(get(&open.reader(), 0, b"d"), Some(large));
    });
}

#[test]
fn scans_keep_to_their_range_direction_limit_and_space() {
    everywhere(|views| {
        let mut table = table(views);
        for key in [&b"a"[..], b"a/1", b"a/2", b"a/3", b"b"] {
            put(&mut table, &[(7, key, key), (6, b"z", b"other"), (8, b"", b"other")]);
        }
        let reader = table.reader();
        let keys = |range, descending, limit| -> Vec<String> {
            let found = reader.scan(7, range, descending, limit).expect("readable");
            found.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
        };
        let prefix: (Bound<&[u8]>, Bound<&[u8]>) = (Included(b"a/"), Excluded(b"a0"));
        assert_eq!(keys(prefix, false, 10), ["a/1", "a/2", "a/3"]);
        assert_eq!(keys(prefix, true, 2), ["a/3", "a/2"]);
        assert_eq!(keys((Unbounded, Unbounded), false, 10), ["a", "a/1", "a/2", "a/3", "b"]);
        assert_eq!(keys((Unbounded, Unbounded), true, 1), ["b"]);
        assert_eq!(keys((Excluded(b"a/1"), Included(b"a/3")), false, 10), ["a/2", "a/3"]);
        assert_eq!(keys((Included(b"a/9"), Unbounded), false, 10), ["b"]);
        assert_eq!(keys((Included(b"b"), Included(b"b")), false, 10), ["b"]);
        assert!(keys((Unbounded, Unbounded), false, 0).is_empty());
        assert!(
            keys((Included(b"b"), Included(b"a")), false, 10).is_empty(),
            "the bounds are reversed"
        );
        assert!(keys((Excluded(b"a"), Excluded(b"a")), false, 10).is_empty(), "the range is empty");
    });
}

#[test]
fn keys_may_be_any_bytes_in_any_space() {
    everywhere(|views| {
        let long = [0xff; KEY_BYTES_MAX];
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\x01", b"\xff", b"\xff\xff", &long];
        let mut open = table(views);
        for space in [0, 1, 254, 255] {
            for key in keys {
                put(&mut open, &[(space, key, key)]);
            }
        }
        drop(open);
        let reader = table(views).reader();
        for space in [0, 1, 254, 255] {
            let found = all(&reader, space);
            assert!(found.iter().map(|(key, _)| &key[..]).eq(keys), "space {space}");
            assert!(found.iter().all(|(key, value)| key == value));
        }
        assert!(all(&reader, 2).is_empty());
    });
}

#[test]
fn changes_that_are_too_large_are_refused_and_change_nothing() {
    everywhere(|views| {
        let mut table = table(views);
        let mut changes = Changes::new();
        changes.put(0, b"a", b"kept").expect("fits");
        let (bytes, mut refusals) = (changes.bytes(), vec![]);
        refusals.push(changes.put(0, &[0; KEY_BYTES_MAX + 1], b""));
        refusals.push(changes.remove(0, &[0; KEY_BYTES_MAX + 1]));
        refusals.push(changes.put(0, b"a", &vec![0; VALUE_BYTES_MAX + 1]));
        for refused in refusals {
            let error = refused.expect_err("too large");
            assert!(matches!(error, ViewError::TooLarge { .. }), "{error}");
        }
        assert_eq!((changes.bytes(), changes.len()), (bytes, 1));
        table.commit(changes).expect("stored");
        let found = all(&table.reader(), 0);
        assert_eq!(found, [(b"a"[..].into(), b"kept"[..].into())]);
    });
}

#[test]
fn changes_report_when_they_are_full_and_have_a_maximum() {
    let (mut changes, value) = (Changes::new(), vec![0; VALUE_BYTES_MAX]);
    assert!(changes.is_empty() && !changes.is_full());
    let full = (0u64..).find(|row| {
        changes.put(0, &row.to_be_bytes(), &[0; 100]).expect("fits");
        changes.is_full()
    });
    assert!(full.is_some_and(|rows| rows >= 1000), "{full:?}");
    assert!(changes.bytes() < CHANGES_BYTES_SOFT + 200);
    let (bytes, rows) = (changes.bytes(), changes.len());
    changes.put(0, &0u64.to_be_bytes(), &[1; 100]).expect("fits");
    assert_eq!((changes.bytes(), changes.len()), (bytes, rows), "replaced, not added");
    let end = (0u8..).find_map(|key| changes.put(1, &[key], &value).err());
    assert!(matches!(end, Some(ViewError::TooLarge { .. })), "{end:?}");
    assert!(changes.bytes() <= CHANGES_BYTES_MAX);
    assert_eq!(changes.get(0, &0u64.to_be_bytes()).flatten().map(|value| value[0]), Some(1));
    assert_eq!(changes.get(2, b"a"), None);
    changes.remove(0, b"gone").expect("fits");
    assert_eq!(changes.get(0, b"gone"), Some(None));
}

#[test]
fn the_largest_changes_are_stored_completely() {
    everywhere(|views| {
        let mut open = table(views);
        let mut changes = Changes::new();
        while changes.put(0, &changes.len().to_be_bytes(), &vec![7; VALUE_BYTES_MAX]).is_ok() {}
        let rows = changes.len();
        open.commit(changes).expect("stored");
        put(&mut open, &[(1, b"after", b"it")]);
        drop(open);
        let reader = table(views).reader();
        let found = all(&reader, 0);
        assert_eq!(found.len(), rows);
        assert!(found.iter().all(|(_, value)| value.len() == VALUE_BYTES_MAX));
        assert_eq!(get(&reader, 1, b"after"), Some(b"it".to_vec()));
    });
}

#[test]
fn the_current_generation_survives_reopening() {
    everywhere(|views| {
        let place = views.place("orders").expect("opens");
        assert_eq!(place.current().expect("readable"), None);
        assert!(place.generations().expect("readable").is_empty());
        for generation in [3, 1, u64::MAX] {
            let mut table = place.table(generation).expect("opens");
            put(&mut table, &[(0, b"a", &generation.to_be_bytes())]);
            place.make_current(generation).expect("stored");
            assert_eq!(place.current().expect("readable"), Some(generation));
        }
        drop(place);
        let place = views.place("orders").expect("opens");
        assert_eq!(place.current().expect("readable"), Some(u64::MAX));
        assert_eq!(place.generations().expect("readable"), [1, 3, u64::MAX]);
        let reader = place.table(3).expect("opens").reader();
        assert_eq!(get(&reader, 0, b"a"), Some(3u64.to_be_bytes().to_vec()));
    });
}

#[test]
fn the_number_of_a_removed_generation_can_be_used_again() {
    everywhere(|views| {
        let place = views.place("orders").expect("opens");
        put(&mut place.table(1).expect("opens"), &[(0, b"a", b"old")]);
        place.save_state(1, b"old").expect("stored");
        place.remove(1).expect("removed");
        place.remove(1).expect("nothing to remove");
        assert!(place.generations().expect("readable").is_empty());
        assert_eq!(place.load_state(1).expect("readable"), None);
        assert!(all(&place.table(1).expect("opens").reader(), 0).is_empty());
    });
}

#[test]
fn neither_the_current_generation_nor_an_open_one_is_removed() {
    everywhere(|views| {
        let place = views.place("orders").expect("opens");
        let reader = place.table(1).expect("opens").reader();
        let refused = place.remove(1).expect_err("a reader is open");
        assert!(matches!(refused, ViewError::InUse { .. }), "{refused}");
        drop(reader);
        place.make_current(1).expect("stored");
        let refused = place.remove(1).expect_err("current");
        assert!(matches!(refused, ViewError::InUse { .. }), "{refused}");
        assert_eq!(place.generations().expect("readable"), [1]);
        place.make_current(2).expect("stored");
        place.remove(1).expect("removed");
    });
}

#[test]
fn a_place_and_a_table_cannot_be_opened_twice() {
    everywhere(|views| {
        let place = views.place("orders").expect("opens");
        let other = views.place("customers").expect("another view");
        let twice = views.place("orders").map(|_| ()).expect_err("open");
        assert!(matches!(twice, ViewError::InUse { .. }), "{twice}");
        let table = place.table(1).expect("opens");
        let twice = place.table(1).map(|_| ()).expect_err("open");
        assert!(matches!(twice, ViewError::InUse { .. }), "{twice}");
        place.table(2).expect("another generation");
        other.table(1).expect("another view");
        let reader = table.reader();
        drop((place, table));
        assert!(views.place("orders").is_err(), "a reader keeps it open");
        drop(reader);
        views.place("orders").expect("closed").table(1).expect("closed");
    });
}

#[test]
fn a_saved_state_is_replaced_and_kept() {
    everywhere(|views| {
        let place = views.place("orders").expect("opens");
        assert_eq!(place.load_state(1).expect("readable"), None);
        for state in [&b""[..], b"first", &[7; 300_000], b"last"] {
            place.save_state(1, state).expect("stored");
            assert_eq!(place.load_state(1).expect("readable").as_deref(), Some(state));
        }
        place.save_state(2, b"other").expect("stored");
        drop(place);
        let place = views.place("orders").expect("opens");
        assert_eq!(place.load_state(1).expect("readable").as_deref(), Some(&b"last"[..]));
        assert_eq!(place.generations().expect("readable"), [1, 2]);
    });
}

#[test]
fn names_must_be_valid_directory_names_in_memory_too() {
    everywhere(|views| {
        let long = "n".repeat(129);
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "ä", "a b", "a\0", &long] {
            let error = views.place(name).map(|_| ()).expect_err("invalid");
            assert!(matches!(error, ViewError::InvalidName { .. }), "{error}");
        }
        for name in ["a", "Orders-by_day.2", &long[1..]] {
            views.place(name).expect("valid");
        }
    });
}
