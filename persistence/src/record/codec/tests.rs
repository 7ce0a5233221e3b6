//! Codecs: round trips, names of events, and damaged bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Sample {
    Unit,
    Newtype(String),
    Tuple(u8, i64),
    Struct { name: String, tags: BTreeMap<String, Option<u32>> },
    Nested(Box<Sample>),
}

/// The same events, declared in another order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Reordered {
    Tuple(u8, i64),
    Unit,
}

fn sample() -> impl Strategy<Value = Sample> {
    let leaf = prop_oneof![
        Just(Sample::Unit),
        any::<String>().prop_map(Sample::Newtype),
        any::<(u8, i64)>().prop_map(|(a, b)| Sample::Tuple(a, b)),
        (any::<String>(), any::<BTreeMap<String, Option<u32>>>())
            .prop_map(|(name, tags)| Sample::Struct { name, tags }),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| inner.prop_map(|it| Sample::Nested(Box::new(it))))
}

proptest! {
    #[test]
    fn every_event_survives_every_codec(event in sample()) {
        for codec in ALL {
            let mut bytes = Vec::new();
            let name = codec.encode_event(&event, &mut bytes).expect("encodable");
            let back: Sample = codec.decode_event(name, &bytes).expect("decodable");
            prop_assert_eq!(&back, &event);
        }
    }

    #[test]
    fn no_bytes_make_a_codec_panic(name in "[A-Z][a-z]*", bytes: Vec<u8>) {
        for codec in ALL {
            let _ = codec.decode_event::<Sample>(&name, &bytes);
        }
    }
}

/// A stored length larger than the memory once aborted the process.
#[test]
fn an_absurd_length_is_refused() {
    for length in [u64::MAX, 1 << 62, 1 << 40] {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&length.to_le_bytes());
        assert!(Codec::Bincode.decode::<String>(&bytes).is_err());
        assert!(Codec::Bincode.decode::<Vec<u8>>(&bytes).is_err());
        bytes.resize(100_000, 7);
        assert!(Codec::Bincode.decode::<String>(&bytes).is_err());
    }
}

/// bincode reads a length and then as many elements. If they have no bytes, it read up to 2^64 of them, which never
/// ended: damage, or a field that was another one before.
#[test]
fn elements_without_bytes_are_bounded() {
    use std::collections::{BTreeSet, HashMap};
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Nothing;
    let mut bytes = Vec::new();
    Codec::Bincode.encode(&(1_u64 << 60), &mut bytes).expect("encodable");
    let is_refused = |refused: Option<CodecError>| {
        let is_it = |reason: &str| reason.contains("more elements");
        assert!(matches!(&refused, Some(CodecError::Decode(why)) if is_it(why)), "{refused:?}");
    };
    is_refused(Codec::Bincode.decode::<Vec<()>>(&bytes).err());
    is_refused(Codec::Bincode.decode::<BTreeSet<Nothing>>(&bytes).err());
    is_refused(Codec::Bincode.decode::<HashMap<(), [u8; 0]>>(&bytes).err());
    // Many small claims count as a large one.
    let claims = vec![vec![(); 40_000]; 100];
    let mut bytes = Vec::new();
    Codec::Bincode.encode(&claims, &mut bytes).expect("encodable");
    is_refused(Codec::Bincode.decode::<Vec<Vec<()>>>(&bytes).err());
    is_refused(Codec::Bincode.decode::<Vec<Vec<()>>>(&bytes).err());
    let refused = Codec::Bincode.encode_checked(&claims, &mut Vec::new()).err();
    assert!(matches!(refused, Some(CodecError::DoesNotReadBack { .. })), "{refused:?}");
}

#[test]
fn many_elements_with_bytes_are_read() {
    let small = (vec![(); 1_000_000], vec![0_u8; 3_000_000], vec![[((0_u8,),)]; 1_000_000]);
    for codec in [Codec::Bincode, Codec::MessagePack] {
        let mut bytes = Vec::new();
        codec.encode(&small, &mut bytes).expect("encodable");
        assert!(codec.decode(&bytes) == Ok(small.clone()), "{codec:?}");
    }
}

/// What a value does to the stack is bounded while it is walked through. Encoding it takes little more.
#[test]
fn encoding_takes_little_more_stack_than_the_walk_before() {
    use std::cell::Cell;
    thread_local! {
        static LOWEST: Cell<(usize, bool)> = const { Cell::new((usize::MAX, false)) };
    }
    struct Level(Option<Box<Level>>);
    impl Serialize for Level {
        fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
            let here = [0_u8; 512];
            let address = std::hint::black_box(&here).as_ptr().addr();
            LOWEST.set((LOWEST.get().0.min(address), true));
            out.serialize_newtype_struct("Level", &self.0)
        }
    }
    let deep = nested(62, Level(None), |inner| Level(Some(Box::new(inner))));
    let top = [0_u8; 1];
    let taken = |work: &dyn Fn()| {
        LOWEST.set((usize::MAX, false));
        work();
        top.as_ptr().addr() - LOWEST.get().0
    };
    let walked = taken(&|| drop(Codec::Bincode.walk(&deep)));
    for codec in ALL {
        let encoded = taken(&|| codec.write(&deep, &mut Vec::new()).expect("encodable"));
        // Each of the 124 levels may take 2 KiB more: half of what is left of a stack of 2 MiB.
        assert!(encoded < walked + 124 * 2 * 1024, "{codec:?}: {walked} and {encoded} bytes");
    }
}

#[test]
fn reordering_variants_is_harmless() {
    for codec in ALL {
        let mut bytes = Vec::new();
        let name = codec.encode_event(&Sample::Tuple(1, -2), &mut bytes).expect("encodable");
        assert_eq!(name, "Tuple");
        let event: Reordered = codec.decode_event(name, &bytes).expect("decodable");
        assert_eq!(event, Reordered::Tuple(1, -2));
    }
}

#[test]
fn an_unknown_variant_or_leftover_bytes_are_refused() {
    for codec in ALL {
        assert!(codec.decode_event::<Sample>("Missing", b"").is_err());
    }
    for (codec, more) in ALL.into_iter().zip([0, b'1', 0xc0]) {
        let mut bytes = Vec::new();
        codec.encode_event(&Sample::Tuple(1, 2), &mut bytes).expect("encodable");
        bytes.push(more);
        assert!(codec.decode_event::<Sample>("Tuple", &bytes).is_err());
    }
}

#[test]
fn events_that_are_not_tagged_enums_are_refused() {
    #[derive(Serialize)]
    struct Plain {
        field: u8,
    }
    #[derive(Serialize)]
    #[serde(tag = "type")]
    enum Internal {
        Happened { field: u8 },
    }
    for codec in ALL {
        let mut out = Vec::new();
        let plain = codec.encode_event(&Plain { field: 1 }, &mut out);
        assert_eq!(plain, Err(CodecError::NotAnEnum { found: "a struct" }));
        let internal = codec.encode_event(&Internal::Happened { field: 1 }, &mut out);
        assert_eq!(internal, Err(CodecError::NotAnEnum { found: "a struct" }));
    }
}

/// A list of lists, as deep as wanted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Tree {
    children: Vec<Tree>,
}

/// A list whose links are options.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Linked {
    next: Option<Box<Linked>>,
}

/// A chain of variants, which MessagePack reads without any bound of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Wrapped(Box<Chain>),
    Named { large: [u64; 8], next: Box<Chain> },
}

/// A newtype around itself takes no bytes in JSON and MessagePack, so any bytes once recursed endlessly.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Endless(Option<Box<Endless>>);

fn nested<T>(levels: usize, innermost: T, around: impl Fn(T) -> T) -> T {
    (0..levels).fold(innermost, |inner, _| around(inner))
}

fn tree(levels: usize) -> Tree {
    nested(levels, Tree::default(), |inner| Tree { children: vec![inner] })
}

fn linked(levels: usize) -> Linked {
    nested(levels, Linked::default(), |inner| Linked { next: Some(Box::new(inner)) })
}

fn chain(levels: usize) -> Chain {
    nested(levels, Chain::End, |inner| match levels % 2 {
        0 => Chain::Wrapped(Box::new(inner)),
        _ => Chain::Named { large: [7; 8], next: Box::new(inner) },
    })
}

/// Drops a deep value without recursion.
fn dismantle(mut deep: Tree) {
    while let Some(inner) = deep.children.pop() {
        deep = inner;
    }
}

#[track_caller]
fn deepest<T: Serialize + serde::de::DeserializeOwned + PartialEq>(
    codec: Codec,
    build: fn(usize) -> T,
) -> usize {
    let is_kept = |levels: usize| {
        let (value, mut out) = (build(levels), Vec::new());
        match codec.encode(&value, &mut out) {
            Ok(()) => assert!(codec.decode::<T>(&out).expect("what is written is read") == value),
            Err(error) => assert_eq!(error, CodecError::TooDeep),
        }
        codec.encode_checked(&value, &mut Vec::new()).is_ok()
    };
    (1..200).take_while(|levels| is_kept(*levels)).count()
}

/// A tree of 30,000 levels was stored with bincode. It overflowed the stack of the program that loaded it, which
/// ended the process at every start.
#[test]
fn a_value_that_is_too_deep_is_refused_when_it_is_written() {
    for codec in ALL {
        let deep = tree(100_000);
        assert_eq!(codec.encode(&deep, &mut Vec::new()), Err(CodecError::TooDeep));
        assert_eq!(codec.encode_checked(&deep, &mut Vec::new()).err(), Some(CodecError::TooDeep));
        dismantle(deep);
        assert_eq!(deepest(codec, tree), 62, "each level is a struct and a sequence");
        assert_eq!(deepest(codec, linked), 126, "options are counted separately");
        assert!(deepest(codec, chain) >= 62);
        // The levels of a value that was refused are not counted for the next one.
        assert_eq!(deepest(codec, tree), 62);
    }
}

/// Stored bytes may be deep although nothing so deep is written today: by an earlier release, or by damage.
#[test]
fn bytes_that_are_too_deep_are_an_error_and_no_overflow() {
    // What earlier releases wrote without a bound is read if it is not extreme.
    let bytes = b"\x81\xa8children\x91".repeat(100);
    let old = [&bytes[..], b"\x81\xa8children\x90"].concat();
    assert_eq!(Codec::MessagePack.decode::<Tree>(&old), Ok(tree(100)));
    let deep = |codec: Codec, bytes: &[u8]| {
        assert_eq!(codec.decode::<Tree>(bytes).err(), Some(CodecError::TooDeep), "{codec:?}");
    };
    deep(Codec::Bincode, &[1; 100_000]);
    deep(Codec::Json, "{\"children\":[".repeat(100_000).as_bytes());
    deep(Codec::MessagePack, &b"\x81\xa8children\x91".repeat(100_000));
    let variants = Codec::MessagePack.decode::<Chain>(&b"\x81\xa7Wrapped".repeat(100_000));
    assert_eq!(variants, Err(CodecError::TooDeep));
    assert_eq!(Codec::Bincode.decode::<Chain>(&[1; 100_000]), Err(CodecError::TooDeep));
    let options = [(Codec::Bincode, vec![1; 100_000]), (Codec::Json, b"5".to_vec())];
    for (codec, bytes) in options.into_iter().chain([(Codec::MessagePack, vec![5])]) {
        assert_eq!(codec.decode::<Endless>(&bytes), Err(CodecError::TooDeep), "{codec:?}");
        assert!(codec.decode::<serde::de::IgnoredAny>(&bytes).is_ok() || codec == Codec::Bincode);
    }
}

/// The levels of a value within a personal value continue those around it.
#[test]
fn personal_values_do_not_hide_depth() {
    use crate::Personal;
    use crate::personal::in_clear;
    #[derive(Serialize, Deserialize)]
    struct Secret(Option<Box<Personal<Secret>>>);
    let secret = |levels| {
        nested(levels, Secret(None), |inner| Secret(Some(Box::new(Personal::new("s", inner)))))
    };
    for codec in ALL {
        let encode = |levels| in_clear(|| codec.encode(&secret(levels), &mut Vec::new()));
        assert_eq!(encode(20), Ok(()));
        let refused = encode(1_000).expect_err("it is too deep");
        assert!(refused.to_string().contains("too deeply"), "{refused}");
    }
}

/// A program that does not know an event type, because it is older or concerns itself with few of them,
/// takes it with a catch-all variant, whatever the content is.
#[test]
fn a_catch_all_variant_takes_unknown_events_with_their_content() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Few {
        Tuple(u8, i64),
        #[serde(other)]
        Unknown,
    }
    let tags = BTreeMap::from([("a".to_owned(), Some(1))]);
    let events = [
        Sample::Unit,
        Sample::Newtype("content".to_owned()),
        Sample::Struct { name: "name".to_owned(), tags },
        Sample::Nested(Box::new(Sample::Unit)),
    ];
    for codec in ALL {
        for event in &events {
            let mut bytes = Vec::new();
            let name = codec.encode_event(event, &mut bytes).expect("encodable");
            assert_eq!(codec.decode_event::<Few>(name, &bytes), Ok(Few::Unknown), "{event:?}");
        }
        let mut bytes = Vec::new();
        codec.encode_event(&Sample::Tuple(1, -2), &mut bytes).expect("encodable");
        assert_eq!(codec.decode_event("Tuple", &bytes), Ok(Few::Tuple(1, -2)));
        assert!(matches!(codec.decode_event::<Few>("Tuple", b""), Err(CodecError::Decode(_))));
    }
}

/// A node of a tree whose levels are large.
#[derive(Default, Serialize, Deserialize)]
struct Large {
    inline: [[u64; 32]; 3],
    next: Option<Box<Large>>,
}

/// The same in a later release.
#[derive(Serialize, Deserialize)]
struct Larger {
    inline: [[u64; 32]; 3],
    #[serde(default)]
    note: [u64; 32],
    next: Option<Box<Larger>>,
}

/// The deepest value that was accepted took all the stack that reading may take, so the next release, whose type had one
/// more field, did not read it, and the aggregate was quarantined.
#[test]
fn the_deepest_value_that_is_written_is_read_by_a_larger_type() {
    for codec in [Codec::Json, Codec::MessagePack] {
        let (mut value, mut deepest) = (Large::default(), Vec::new());
        for _ in 0..64 {
            value = Large { next: Some(Box::new(value)), ..Large::default() };
            let mut bytes = Vec::new();
            if codec.encode_checked(&value, &mut bytes).is_err() {
                break;
            }
            deepest = bytes;
        }
        codec.decode::<Larger>(&deepest).expect("the later release reads it");
    }
}
