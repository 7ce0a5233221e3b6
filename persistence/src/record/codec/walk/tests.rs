//! Values that serde distinguishes have different sums, and values in another order have the same sum.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::super::sum::Sum;
use crate::{Codec, CodecError};

#[track_caller]
fn sum<T: Serialize + ?Sized>(value: &T) -> Sum {
    Codec::MessagePack.walk(value).expect("it can be walked through")
}

#[derive(Default)]
struct Sums(HashSet<(u64, u64)>);

impl Sums {
    #[track_caller]
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) {
        assert!(self.0.insert(sum(value).words()), "another value has the same sum");
    }
}

/// Writes bytes, as `serde_bytes` does.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(self.0)
    }
}

/// A struct whose field has any name.
struct Named(&'static str, u8);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut fields = out.serialize_struct("Named", 1)?;
        fields.serialize_field(self.0, &self.1)?;
        fields.end()
    }
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Newtype<T>(T);
#[derive(Serialize)]
struct Pair(u8, u8);
#[derive(Serialize)]
struct Fields {
    a: u8,
    b: u8,
}
#[derive(Serialize)]
enum Kinds {
    One,
    Other,
    Newtype(u8),
    AlsoNewtype(u8),
    Unit(()),
    Tuple(u8, u8),
    AlsoTuple(u8, u8),
    Struct { a: u8 },
    AlsoStruct { a: u8 },
}

/// `Some(None)` was stored as `None`, and `Total(5)` as `Cents(5)`: their bytes are the same, their kinds are not.
#[test]
fn values_of_other_kinds_have_other_sums() {
    let mut sums = Sums::default();
    sums.add(&5_u8);
    sums.add(&5_u16);
    sums.add(&5_u32);
    sums.add(&5_u64);
    sums.add(&5_u128);
    sums.add(&(5_u128 << 64));
    sums.add(&5_i8);
    sums.add(&5_i16);
    sums.add(&5_i32);
    sums.add(&5_i64);
    sums.add(&5_i128);
    sums.add(&5_f32);
    sums.add(&5_f64);
    sums.add(&f64::from_bits(5));
    sums.add(&true);
    sums.add(&false);
    sums.add(&'\u{5}');
    sums.add("\u{5}");
    sums.add("5");
    sums.add(&Bytes(b"5"));
    sums.add(&None::<u8>);
    sums.add(&Some(None::<u8>));
    sums.add(&Some(Some(None::<u8>)));
    sums.add(&Some(5_u8));
    sums.add(&Some(Some(5_u8)));
    sums.add(&Newtype(5_u8));
    sums.add(&Newtype(Newtype(5_u8)));
    sums.add(&Newtype(Some(5_u8)));
    sums.add(&Some(Newtype(5_u8)));
    sums.add(&());
    sums.add(&Some(()));
    sums.add(&Unit);
    sums.add(&(5_u8,));
    sums.add(&((5_u8,),));
    sums.add(&[5_u8; 0]);
    sums.add(&vec![5_u8; 0]);
    sums.add(&vec![5_u8]);
    sums.add(&vec![vec![5_u8]]);
    sums.add(&BTreeMap::<u8, u8>::new());
    sums.add(&BTreeMap::from([(5_u8, 5_u8)]));
    for kind in
        [Kinds::One, Kinds::Other, Kinds::Newtype(5), Kinds::AlsoNewtype(5), Kinds::Unit(())]
    {
        sums.add(&kind);
    }
    for kind in [Kinds::Tuple(5, 5), Kinds::AlsoTuple(5, 5)] {
        sums.add(&kind);
    }
    sums.add(&Kinds::Struct { a: 5 });
    sums.add(&Kinds::AlsoStruct { a: 5 });
    sums.add(&Pair(5, 5));
    sums.add(&(5_u8, 5_u8));
    sums.add(&Fields { a: 5, b: 5 });
    for name in
        ["", "a", "b", "ab", "ba", "amount", "amounts", "amount_in_cents", "amount_in_euros"]
    {
        sums.add(&Named(name, 5));
    }
}

/// Parts that move to another place, or to another level, are noticed, except in a sequence, a set or a map.
#[test]
fn the_place_of_a_value_counts() {
    let mut sums = Sums::default();
    sums.add(&(1_u8, 2_u8));
    sums.add(&(2_u8, 1_u8));
    sums.add(&Fields { a: 1, b: 2 });
    sums.add(&Fields { a: 2, b: 1 });
    sums.add(&((1_u8, 2_u8), 3_u8));
    sums.add(&(1_u8, (2_u8, 3_u8)));
    sums.add(&(1_u8, 2_u8, 3_u8));
    sums.add(&vec![vec![1_u8], vec![2]]);
    sums.add(&vec![vec![1_u8, 2], vec![]]);
    sums.add(&vec![vec![1_u8, 2]]);
    sums.add(&(vec![1_u8], vec![2_u8]));
    sums.add(&(vec![2_u8], vec![1_u8]));
    sums.add(&BTreeMap::from([(1_u8, 2_u8), (3, 4)]));
    sums.add(&BTreeMap::from([(1_u8, 4_u8), (3, 2)]));
    sums.add(&BTreeMap::from([(2_u8, 1_u8), (4, 3)]));
    sums.add(&(Some(1_u8), None::<u8>));
    sums.add(&(None::<u8>, Some(1_u8)));
    for number in [0.0, -0.0, f64::NAN, -f64::NAN, f64::from_bits(0x7ff8_dead_beef_0001)] {
        sums.add(&number);
    }
}

/// Numbers whose sums, or whose sums of squares, are equal do not cancel each other out.
#[test]
fn different_collections_of_small_numbers_have_different_sums() {
    let mut sums = Sums::default();
    sums.add(&Vec::<u16>::new());
    for one in 0..40_u16 {
        sums.add(&[one][..]);
        for other in one..40 {
            sums.add(&[one, other][..]);
            (other..40).for_each(|third| sums.add(&[one, other, third][..]));
        }
    }
    sums.add(&[0_u16, 4, 5, 40][..]);
    sums.add(&[1_u16, 2, 6, 41][..]);
    (4..300).for_each(|length| sums.add(&vec![7_u16; length]));
    (4..300).for_each(|length| sums.add(&vec![0_u16; length]));
    (1..300).for_each(|length| sums.add(&vec![(); length]));
}

#[test]
fn the_order_of_collections_does_not_count() {
    assert_eq!(sum(&vec![1, 2, 3]), sum(&vec![3, 1, 2]));
    assert_eq!(sum(&vec![vec![1, 2], vec![3]]), sum(&vec![vec![3], vec![2, 1]]));
    let maps = [0, 1].map(|_| (0..100).map(|key| (key, HashSet::from([key, 7]))).collect());
    let [one, other]: [HashMap<u32, HashSet<u32>>; 2] = maps;
    assert_eq!(sum(&one), sum(&other));
}

/// Every byte of a text counts, whatever its length is, and so does the order of its words.
#[test]
fn every_byte_of_a_text_counts() {
    for length in (0..300_usize).chain([1_000, 4_096]) {
        let mut sums = Sums::default();
        let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 7) as u8).collect();
        sums.add(&Bytes(&text));
        for at in 0..length {
            let mut changed = text.clone();
            changed[at] ^= 1;
            sums.add(&Bytes(&changed));
        }
        let (mut longer, mut turned) = (text.clone(), text.clone());
        longer.push(b'a');
        sums.add(&Bytes(&longer));
        turned.rotate_left(8.min(length / 2));
        if turned != text {
            sums.add(&Bytes(&turned));
        }
    }
}

/// A walk that ends early leaves no levels behind for the one around it.
#[test]
fn a_walk_within_a_walk_that_fails_costs_no_levels() {
    struct Tries(u8);
    impl Serialize for Tries {
        fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
            let mut deep = serde_json::json!(1);
            for _ in 0..200 {
                deep = serde_json::Value::Array(vec![deep]);
            }
            assert_eq!(Codec::MessagePack.walk(&deep), Err(CodecError::TooDeep));
            out.serialize_u8(self.0)
        }
    }
    let mut value = serde_json::json!(1);
    for _ in 0..120 {
        value = serde_json::Value::Array(vec![value]);
    }
    assert!(Codec::MessagePack.walk(&(vec![Tries(1), Tries(2), Tries(3)], value)).is_ok());
}
