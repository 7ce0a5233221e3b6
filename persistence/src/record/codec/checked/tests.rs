//! Values that read back, and values that do not.

mod messages;
mod personal;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

/// Encodes a value with a codec, and returns what it decodes to if that is the same.
#[track_caller]
fn reads_back<T>(codec: Codec, value: &T) -> bool
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut out = b"before".to_vec();
    match codec.encode_checked(value, &mut out) {
        Ok(decoded) => {
            assert_eq!(&decoded, value, "{codec:?} returned another value");
            let again: T = codec.decode(&out[6..]).expect("it was decoded before");
            assert_eq!(&again, value, "{codec:?} reads another value later");
            true
        }
        Err(CodecError::DoesNotReadBack { .. } | CodecError::Encode(_)) => false,
        Err(other) => panic!("{codec:?}: {other:?}"),
    }
}

/// Asserts which of bincode, JSON and MessagePack keep a value.
#[track_caller]
fn kept_by<T>(expected: [bool; 3], value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(ALL.map(|codec| reads_back(codec, value)), expected, "{value:?}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Method {
    Card { last4: String },
    Cash,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    Cents(u32),
    Total(u64),
    Text(String),
}

/// A service stored a tagged enum with bincode, got a receipt, and could not load the aggregate after
/// the next restart: bincode writes what it cannot read.
#[test]
fn a_value_that_does_not_decode_is_refused() {
    kept_by([false, true, true], &Method::Card { last4: "1234".to_owned() });
    kept_by([false, true, true], &Method::Cash);
    kept_by([false, true, true], &Amount::Text("all".to_owned()));
    kept_by([false, true, true], &serde_json::json!({"a": [1, 2.5, null]}));
    let absent = Renamed { nick: None, name: "b".to_owned() };
    kept_by([false, true, true], &absent);
    kept_by([true, true, true], &Renamed { nick: Some("a".to_owned()), name: "b".to_owned() });
}

/// Two skipped fields may cancel each other out: bincode then decodes other values from the same number of
/// bytes, which even encode to the same bytes.
#[test]
fn a_value_that_decodes_shifted_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair {
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        second: Option<u8>,
        third: u8,
    }
    let pairs = [
        Pair { first: None, second: None, third: 1 },
        Pair { first: Some(2), second: Some(0), third: 0 },
        Pair { first: None, second: None, third: 0 },
        Pair { first: None, second: None, third: 0 },
    ];
    assert!(!reads_back(Codec::Bincode, &Vec::from(pairs)));
}

#[test]
fn a_value_that_decodes_to_another_one_is_refused() {
    /// A value whose elements are replaced when it is decoded.
    #[derive(Debug, PartialEq, Serialize)]
    struct Replaced(Vec<u8>);
    impl<'de> Deserialize<'de> for Replaced {
        fn deserialize<D: serde::Deserializer<'de>>(inner: D) -> Result<Self, D::Error> {
            Vec::deserialize(inner).map(|_: Vec<u8>| Self(vec![7]))
        }
    }
    kept_by([false, false, false], &Replaced(vec![]));
    kept_by([false, false, false], &Replaced(vec![1]));
}

/// An optional nickname of `Some(None)`, "remove the nickname", was acknowledged, and was `None`, "do
/// not change it", after a restart.
#[test]
fn a_nested_option_that_collapses_is_refused() {
    kept_by([true, false, false], &Some(None::<String>));
    kept_by([true, true, true], &None::<Option<String>>);
    kept_by([true, true, true], &Some(Some("nick".to_owned())));
    kept_by([true, false, false], &Some(()));
}

#[test]
fn a_variant_of_an_untagged_enum_that_decodes_as_another_is_refused() {
    kept_by([false, true, true], &Amount::Cents(5));
    kept_by([false, true, true], &Amount::Total(1 << 40));
    kept_by([false, false, false], &Amount::Total(5));
}

/// The documentation said that any variant that an earlier one also matches is refused. One that is written in the same
/// way cannot be distinguished from it, and is read as the earlier one at once, as after a restart.
#[test]
fn a_variant_of_an_untagged_enum_that_an_earlier_one_writes_alike_becomes_that_one() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Alike {
        Cents(u32),
        Total(u32),
        More(Box<Alike>),
    }
    for value in [Alike::Total(5), Alike::More(Box::new(Alike::Total(5)))] {
        for codec in [Codec::Json, Codec::MessagePack] {
            assert_eq!(codec.encode_checked(&value, &mut Vec::new()).unwrap(), Alike::Cents(5));
        }
        assert!(Codec::Bincode.encode_checked(&value, &mut Vec::new()).is_err());
    }
}

/// A measurement of NaN was acknowledged with JSON, which writes it as `null`; the aggregate could not be
/// loaded again, or had lost the value.
#[test]
fn json_refuses_nan_and_infinities_and_other_codecs_keep_their_bits() {
    let odd = f64::from_bits(0x7ff8_dead_beef_0001);
    for (value, is_kept) in [(odd, false), (f64::NEG_INFINITY, false), (-0.0, true)] {
        for codec in ALL {
            let (mut plain, mut nested) = (Vec::new(), Vec::new());
            let is_kept = is_kept || codec != Codec::Json;
            let encoded = codec.encode_checked(&value, &mut plain);
            assert_eq!(encoded.map(f64::to_bits).ok(), is_kept.then_some(value.to_bits()));
            let option = codec.encode_checked(&vec![Some((value,))], &mut nested);
            assert_eq!(option.is_ok(), is_kept, "{codec:?}: {option:?}");
            let single = codec.encode(&(value as f32), &mut Vec::new());
            assert_eq!(single.is_ok(), is_kept, "{codec:?}: {single:?}");
        }
    }
}

/// Prices stored with JSON differed by one unit in the last place after a replay: 30 of 100 numbers.
#[test]
fn every_finite_float_is_kept_bit_for_bit() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let (double, single) = (f64::from_bits(random.u64(..)), f32::from_bits(random.u32(..)));
        if double.is_finite() && single.is_finite() {
            kept_by([true, true, true], &(double, single, Some(double)));
        }
    }
    kept_by([true, true, true], &0.091_443_385_121_092_89);
}

#[test]
fn numbers_of_128_bits_are_kept() {
    for number in [u128::MAX, 1 << 64, 0, u128::from(u64::MAX), i128::MAX as u128 + 1] {
        kept_by([true, true, true], &(number, vec![Some(number)]));
        kept_by([true, true, true], &HashMap::from([(number, 1)]));
    }
    for number in [i128::MIN, -1, i128::MAX] {
        kept_by([true, true, true], &(number, Some(number)));
    }
}

/// The entries of a `HashMap` have another order in each copy, which is no reason to refuse it.
#[test]
fn maps_and_sets_in_another_order_are_the_same() {
    for size in [0, 1, 2, 3, 50] {
        let map: HashMap<u32, Option<String>> =
            (0..size).map(|key| (key, (key % 2 == 0).then(|| key.to_string()))).collect();
        let set: HashSet<String> = (0..size).map(|key| key.to_string()).collect();
        kept_by([true, true, true], &(map, set));
    }
    let nested = (0..9).map(|key| (key, HashSet::from([key, key + 1, key + 2]))).collect();
    kept_by([true, true, true], &HashMap::<u32, HashSet<u32>>::from_iter::<Vec<_>>(nested));
}

/// What is lost in a map is found although the order of its entries is not compared.
#[test]
fn a_map_that_loses_something_is_refused() {
    let map: HashMap<u32, Option<Option<u8>>> = (0..50).map(|key| (key, Some(None))).collect();
    kept_by([true, false, false], &map);
    let keys: HashMap<(u8, u8), u8> = (0..50).map(|key| ((key, key), key)).collect();
    kept_by([true, false, true], &keys);
}

/// Fields that serde skips have their defaults in what is returned, as in what is read later.
#[test]
fn a_skipped_field_has_its_default_at_once() {
    #[derive(Serialize, Deserialize)]
    struct Cached {
        sum: u32,
        #[serde(skip)]
        cache: Option<u32>,
    }
    for codec in ALL {
        let value = Cached { sum: 7, cache: Some(7) };
        let decoded = codec.encode_checked(&value, &mut Vec::new()).expect("it reads back");
        assert_eq!((decoded.sum, decoded.cache), (7, None));
    }
}

/// A type that writes something else each time cannot be checked, so it is refused.
#[test]
fn a_value_that_encodes_differently_each_time_is_refused() {
    thread_local! {
        static WRITTEN: Cell<u32> = const { Cell::new(0) };
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Counts(u32);
    impl Serialize for Counts {
        fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
            WRITTEN.set(WRITTEN.get() + 1);
            out.serialize_newtype_struct("Counts", &WRITTEN.get())
        }
    }
    for codec in ALL {
        let refused = codec.encode_checked(&Counts(0), &mut Vec::new());
        let Err(CodecError::DoesNotReadBack { name, codec: with, reason }) = refused else {
            panic!("{refused:?}")
        };
        assert!(name.ends_with("Counts") && with == codec && reason.contains("another value"));
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Fact {
    Paid { method: Method, nick: Option<Option<String>> },
    Marked,
}

#[test]
fn an_event_that_does_not_read_back_is_refused_by_name() {
    for codec in ALL {
        let paid = Fact::Paid { method: Method::Cash, nick: Some(None) };
        let mut out = Vec::new();
        let refused = codec.encode_event_checked(&paid, &mut out);
        let expected = |error: &CodecError| matches!(error, CodecError::DoesNotReadBack { name, .. } if name == "Paid");
        assert!(refused.as_ref().is_err_and(expected), "{refused:?}");
        let marked = codec.encode_event_checked(&Fact::Marked, &mut out);
        assert_eq!(marked.expect("it reads back"), ("Marked", Fact::Marked));
    }
}

/// A withdrawal was acknowledged, applied and stored as a deposit, because two variants were renamed to one
/// name: the first of them reads the bytes of both.
#[test]
#[allow(unreachable_patterns)] // rustc notices two variants of one name
fn an_event_that_decodes_as_another_variant_of_the_same_name_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Moved {
        #[serde(rename = "moved")]
        Deposited(i64),
        #[serde(rename = "moved")]
        Withdrawn(i64),
        #[serde(rename = "cleared")]
        Closed,
        #[serde(rename = "cleared")]
        Emptied,
        #[serde(rename = "both")]
        Pair(u8, u8),
        #[serde(rename = "both")]
        Twins(u8, u8),
        #[serde(rename = "named")]
        First { cents: u8 },
        #[serde(rename = "named")]
        Second { cents: u8 },
    }
    let pairs = [
        (Moved::Deposited(5), Moved::Withdrawn(5)),
        (Moved::Closed, Moved::Emptied),
        (Moved::Pair(1, 2), Moved::Twins(1, 2)),
        (Moved::First { cents: 5 }, Moved::Second { cents: 5 }),
    ];
    for codec in ALL {
        for (first, second) in &pairs {
            let kept = codec.encode_event_checked(first, &mut Vec::new()).expect("it reads back");
            assert_eq!(&kept.1, first);
            let refused = codec.encode_event_checked(second, &mut Vec::new());
            let is_refused = matches!(refused, Err(CodecError::DoesNotReadBack { .. }));
            assert!(is_refused, "{codec:?}: {second:?} is stored as {refused:?}");
        }
    }
}
