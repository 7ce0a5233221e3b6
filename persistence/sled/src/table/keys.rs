//! The keys sled is given for a table.
//!
//! | key | what it is the key of |
//! |---|---|
//! | `m` | the marker |
//! | `p` batch u64, number in it u32, part u16 | a part of a large value |
//! | `r` space u8, key | a row |
//!
//! Numbers are big-endian. The place of a row (its space and key) is *stuffed*: behind every third
//! `FF` in a row stands a `00` that means nothing. So four of them never follow each other, and sled
//! can be walked downwards.
//!
//! Why: to step from a leaf that begins with `L` into the one before it, sled seeks `L` with its last
//! byte made one less and four `FF` behind it, and takes what it finds for the leaf before. If another
//! leaf begins between the two, it is not; sled goes back, tries the same a million times and panics.
//! A leaf that begins there begins with those four `FF` and a byte more, and with what some key began
//! with when the leaf was made. No key does, so there is none, whatever bytes the places have.
//!
//! Stuffing goes from left to right and depends on nothing that follows. So places that begin alike
//! still do, and where they differ first their keys do: the order is the same.

use std::ops::Bound;

use actuarius_persistence::table::Range;
use bytes::Bytes;

use crate::error::{Result, Trouble};

pub(super) const MARKER: &[u8] = b"m";
pub(super) const PART: u8 = b'p';
const ROW: u8 = b'r';

/// How many `FF` may follow each other: fewer than sled guesses with.
const RUN: usize = 3;

/// What stands behind so many.
const STUFFING: u8 = 0;

/// The key of the row at a place.
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

/// The place of a row, from its key.
pub(super) fn place(key: &[u8]) -> Result<Bytes> {
    let Some((&ROW, stuffed)) = key.split_first() else {
        return Err(Trouble::Malformed("it is not the key of a row"));
    };
    let (mut place, mut run) = (Vec::with_capacity(stuffed.len()), 0);
    for &byte in stuffed {
        if run == RUN {
            if byte != STUFFING {
                return Err(Trouble::Malformed("the key has what no key has"));
            }
            run = 0;
            continue;
        }
        place.push(byte);
        run = if byte == u8::MAX { run + 1 } else { 0 };
    }
    if run == RUN { Err(Trouble::Malformed("the key is cut short")) } else { Ok(place.into()) }
}

/// The keys of the rows in a range of places.
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

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => Just(0xFF), 1 => Just(0), 1 => Just(1), 1 => any::<u8>()];
        proptest::collection::vec(byte, 0..20)
    }

    proptest! {
        #[test]
        fn a_place_comes_back_from_its_key_which_has_no_four_of_them(place in bytes()) {
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
        fn whatever_is_a_key_is_the_only_one_of_its_place(stuffed in bytes()) {
            let found = [&[ROW], &stuffed[..]].concat();
            if let Ok(place) = super::place(&found) {
                prop_assert_eq!(key(&place), found);
            }
        }
    }

    #[test]
    fn what_is_no_key_of_a_row_is_refused() {
        for key in
            [&b""[..], b"m", b"r\xff\xff\xff", b"r\xff\xff\xff\x01", b"r\xff\xff\xff\xff\x00"]
        {
            assert!(place(key).is_err(), "{}", key.escape_ascii());
        }
    }
}
