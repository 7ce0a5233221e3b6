//! Keys of several parts.

use super::key::{Key, KeyBytes};

/// A key of several parts, ordered by the first, then by the next, so that keys can be found by their first part.
pub trait TupleKey: Key {
    /// The first part.
    type First: Key;
}

impl<A: KeyBytes, B: KeyBytes> KeyBytes for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<A: Key, B: Key> TupleKey for (A, B) {
    type First = A;
}

impl<A: KeyBytes, B: KeyBytes, C: KeyBytes> KeyBytes for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?))
    }
}

impl<A: Key, B: Key, C: Key> TupleKey for (A, B, C) {
    type First = A;
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use actuarius_domain::{Id, Position, Timestamp};
    use actuarius_persistence::mutations::Mutations;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::key::{beginning, bytes, whole};
    use super::*;

    /// Checks all guarantees of a key, for two values.
    fn check<K: Key + Ord + Debug>(one: &K, other: &K) {
        let (first, second) = (bytes(one), bytes(other));
        assert_eq!(first.cmp(&second), one.cmp(other), "{one:?} {other:?}");
        assert!(one == other || !first.starts_with(&second), "{one:?} begins with {other:?}");
        assert_eq!(whole::<K>(&first).as_ref(), Some(one));
        let both = [first, second].concat();
        assert_eq!(whole::<(K, K)>(&both), Some((one.clone(), other.clone())));
    }

    /// Similar texts, with the bytes that are special in keys.
    fn text() -> impl Strategy<Value = String> {
        let letter = prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('ÿ'), any::<char>()];
        proptest::collection::vec(letter, 0..5).prop_map(String::from_iter)
    }

    fn two<S: Strategy>(make: impl Fn() -> S) -> impl Strategy<Value = (S::Value, S::Value)> {
        (make(), make())
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_like_their_bytes_and_read_back(
            (a, b) in two(any::<u64>), (c, d) in two(any::<i64>), (e, f) in two(any::<(u8, u16)>)
        ) {
            check(&a, &b);
            check(&c, &d);
            check(&e, &f);
            check(&(a as u32), &(b as u32));
            check(&(c as i8), &(d as i8));
            check(&(c as i16), &(d as i16));
            check(&(c as i32), &(d as i32));
            check(&Position::new(a), &Position::new(b));
            check(&Timestamp::from_micros(c), &Timestamp::from_micros(d));
        }

        #[test]
        fn wide_numbers_and_uuids_are_ordered_like_their_bytes_and_read_back(
            (a, b) in two(any::<u128>), (c, d) in two(any::<i128>)
        ) {
            check(&a, &b);
            check(&c, &d);
            check(&Uuid::from_u128(a), &Uuid::from_u128(b));
        }

        #[test]
        fn an_optional_key_is_ordered_like_its_bytes_and_reads_back(
            (a, b) in two(any::<Option<i32>>), (c, d) in two(|| proptest::option::of(text()))
        ) {
            check(&a, &b);
            check(&c, &d);
            check(&(c, a), &(d, b));
        }

        #[test]
        fn texts_are_ordered_like_their_bytes_and_read_back((a, b) in two(text)) {
            check(&a, &b);
            prop_assert_eq!(bytes(&a), bytes(a.as_str()));
            if let (Ok(a), Ok(b)) = (Id::<()>::new(a), Id::new(b)) {
                check(&a, &b);
            }
        }

        #[test]
        fn keys_of_several_parts_are_ordered_part_by_part(
            (a, b) in two(|| (text(), any::<i64>())),
            (c, d) in two(|| (any::<bool>(), text(), text()))
        ) {
            check(&a, &b);
            check(&c, &d);
        }

        #[test]
        fn a_text_is_found_by_its_prefixes_only((text, start) in two(text)) {
            let mut prefix = Vec::new();
            beginning(&start, &mut prefix);
            prop_assert_eq!(bytes(&text).starts_with(&prefix), text.starts_with(&start));
        }

        #[test]
        fn bytes_that_are_not_a_key_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            // A key that was read writes the same bytes again.
            if let Some(key) = whole::<(String, bool)>(&bytes) {
                prop_assert_eq!(super::super::key::bytes(&key), bytes);
            }
        }
    }

    #[test]
    fn no_mutated_key_of_a_row_panics_or_allocates_without_a_bound() {
        type Keys = (String, (u64, bool), i64);
        let samples =
            ["", "a\0b", "seventeen"].map(|text| bytes(&(text.to_owned(), (7u64, true), -3i64)));
        Mutations::of("the key of a row", samples).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = (whole::<Keys>(bytes).is_some(), whole::<Timestamp>(bytes).is_some());
            },
        );
    }
}
