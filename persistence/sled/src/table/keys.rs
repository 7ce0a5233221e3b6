//! The keys of a table in sled.
//!
//! | key | value |
//! |---|---|
//! | `m` | the marker |
//! | `p` batch u64, number in the batch u32, part u16 | a part of a large value |
//! | `r` space u8, key | a row |
//!
//! Numbers are big-endian. The place of a row (its space and key) is *stuffed*: a meaningless `00` follows
//! every third consecutive `FF`. So keys never contain four consecutive `FF`, and sled can be scanned in
//! descending order.
//!
//! The reason: to step from a leaf that begins with `L` to the one before it, sled seeks `L` with its last
//! byte decremented and four `FF` appended, and takes the leaf found there as the previous one. If another
//! leaf begins between the two, the guess is wrong: sled repeats it a million times and panics. Such a leaf
//! begins with those four `FF` and another byte, and with the start of a key that existed when the leaf was
//! made. No key has them, so there is no such leaf, whatever bytes the places have.
//!
//! Stuffing proceeds from left to right and does not depend on later bytes. So common prefixes stay common,
//! and keys differ first where their places do: the order is the same.

use std::ops::Bound;

use actuarius_persistence::table::Range;
use bytes::Bytes;

use crate::error::{EngineError, Result};

pub(super) const MARKER: &[u8] = b"m";
pub(super) const PART: u8 = b'p';
const ROW: u8 = b'r';

/// How many consecutive `FF` a key may have: fewer than sled appends to its guess.
const RUN: usize = 3;

/// The byte after so many of them.
const STUFFING: u8 = 0;

/// Returns the key of the row at a place.
pub(super) fn key(place: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + place.len() + place.len() / RUN);
    key.push(ROW);
    let mut run = 0;
    for &byte in place {
        key.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
        if run == RUN {
            key.push(STUFFING);
            run = 0;
        }
    }
    key
}

/// Parses the place of a row from its key.
pub(super) fn place(key: &[u8]) -> Result<Bytes> {
    let Some((&ROW, stuffed)) = key.split_first() else {
        return Err(EngineError::Malformed("a key is not of a row"));
    };
    let (mut place, mut run) = (Vec::with_capacity(stuffed.len()), 0);
    for &byte in stuffed {
        if run == RUN {
            if byte != STUFFING {
                return Err(EngineError::Malformed("a key has invalid stuffing"));
            }
            run = 0;
            continue;
        }
        place.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
    }
    if run == RUN { Err(EngineError::Malformed("a key is truncated")) } else { Ok(place.into()) }
}

/// Returns the keys of the rows in a range of places.
pub(super) fn keys((start, end): &Range) -> Range {
    let end = match end {
        Bound::Unbounded => Bound::Excluded(vec![ROW + 1]),
        bound => bound.as_ref().map(|place| key(place)),
    };
    (start.as_ref().map(|place| key(place)), end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use actuarius_persistence::mutations::Mutations;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => Just(0xFF), 1 => Just(0), 1 => Just(1), 1 => any::<u8>()];
        proptest::collection::vec(byte, 0..20)
    }

    proptest! {
        #[test]
        fn a_place_is_parsed_from_its_key_which_has_no_four_ff(place in bytes()) {
            let key = key(&place);
            prop_assert!(!key.windows(4).any(|four| four == [0xFF; 4]));
            prop_assert_eq!(&super::place(&key).expect("a place")[..], &place[..]);
        }

        #[test]
        fn keys_are_ordered_like_places(mut one in bytes(), mut other in bytes(), start in bytes()) {
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
            one.splice(0..0, start.clone());
            other.splice(0..0, start.clone());
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
            prop_assert!(key(&one).starts_with(&key(&start)));
        }

        #[test]
        fn each_place_has_only_one_valid_key(stuffed in bytes()) {
            let found = [&[ROW], &stuffed[..]].concat();
            if let Ok(place) = super::place(&found) {
                prop_assert_eq!(key(&place), found);
            }
        }
    }

    #[test]
    fn invalid_keys_of_rows_are_refused() {
        for key in
            [&b""[..], b"m", b"r\xff\xff\xff", b"r\xff\xff\xff\x01", b"r\xff\xff\xff\xff\x00"]
        {
            assert!(place(key).is_err(), "{}", key.escape_ascii());
        }
    }

    #[test]
    fn no_mutated_key_of_a_row_panics_or_allocates_without_a_bound() {
        let samples = [&b"\x01row"[..], &[1, 0xff, 0xff, 0xff, 0xff]].map(key);
        Mutations::of("the key of a row", samples)
            .run(|work| allocation_counter::measure(work).bytes_max, |bytes| drop(place(bytes)));
    }
}
