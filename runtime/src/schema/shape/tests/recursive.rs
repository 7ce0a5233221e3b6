//! Tests of types that contain themselves in every way that serde knows.
#![allow(dead_code)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::{has_catch_all, shape, variant, variant_has_catch_all};

/// The stack of a tokio worker, and of a thread of the standard library.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Traces a type as a state and within an event, in all ways that there are. Returns whether each is known.
fn trace<T: DeserializeOwned + 'static>() -> (bool, bool) {
    #[derive(Deserialize)]
    enum Event<T> {
        Happened(T),
        Other { value: T, last: u8 },
    }
    let traced = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        let _ = has_catch_all::<T>();
        for name in ["Happened", "Other", "none"] {
            let _ = variant_has_catch_all::<Event<T>>(name);
        }
        assert_eq!(variant::<Event<T>>("none").exists, Some(false));
        let event = variant::<Event<T>>("Happened");
        assert_eq!(event.exists, Some(true), "the event is known, whatever it contains");
        (shape::<T>().words.is_ok(), event.words.is_ok())
    });
    traced.unwrap().join().unwrap()
}

const UNKNOWN: (bool, bool) = (false, false);
const KNOWN: (bool, bool) = (true, true);

#[derive(Deserialize)]
#[serde(untagged)]
enum Chain {
    End(u8),
    More(Box<Chain>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    End(String),
    Left(Box<Text>),
    Right(Box<Text>),
}

/// Contains itself in an option, which `serde` takes for one that is filled.
#[derive(Deserialize)]
#[serde(untagged)]
enum Optional {
    End(u8),
    More(Option<Box<Optional>>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum One {
    End(u8),
    Other(Box<Two>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Two {
    End { name: String },
    Other(Box<One>),
}

/// Many places of an endless type: each of them fills the stack.
#[derive(Deserialize)]
struct Wide {
    a: (Chain, Text, Chain, Text, Chain, Text, Chain, Text),
    b: [Text; 32],
    last: Vec<Chain>,
}

/// An event with `enum Chain { End(u8), More(Box<Chain>) }`, untagged, ended the process when its type was hosted.
/// `serde` tries the variants on a value that fits none, and the second one tries the same value on all of them.
#[test]
fn an_untagged_enum_within_itself_is_unknown() {
    assert_eq!(trace::<Chain>(), UNKNOWN);
    assert_eq!(trace::<Text>(), UNKNOWN);
    assert_eq!(trace::<Optional>(), UNKNOWN);
    assert_eq!((trace::<One>(), trace::<Two>()), (UNKNOWN, UNKNOWN));
    assert_eq!(trace::<Vec<Option<Chain>>>(), UNKNOWN);
    assert_eq!(trace::<Wide>(), UNKNOWN);
}

/// The fingerprint contains what follows an untagged enum, so the tracing of a state continues after it.
#[test]
fn what_follows_an_endless_value_counts_in_a_fingerprint() {
    let of = [shape::<(Chain, u8)>().fingerprint, shape::<(Chain, u16)>().fingerprint];
    assert_ne!(of[0], of[1]);
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Internally {
    End { value: u8 },
    More { next: Box<Internally> },
    Inner(Box<Flat>),
}

#[derive(Deserialize)]
struct Flat {
    value: u8,
    #[serde(flatten)]
    next: Option<Box<Flat>>,
}

#[derive(Deserialize)]
struct Flatter {
    value: u8,
    #[serde(flatten)]
    next: Box<Flatter>,
}

#[test]
fn recursion_through_tags_and_flattened_fields_is_unknown() {
    assert_eq!(trace::<Internally>(), UNKNOWN);
    assert_eq!(trace::<Flat>(), UNKNOWN);
    assert_eq!(trace::<Flatter>(), UNKNOWN);
}

#[derive(Deserialize)]
enum Tree {
    Leaf(u8),
    Node(Vec<Tree>),
    Both { left: Box<Tree>, right: Option<Box<Tree>> },
    Named(BTreeMap<String, Tree>),
    Other(Box<Forest>),
}

#[derive(Deserialize)]
enum Forest {
    Trees(Vec<Tree>),
    Forests(Box<Forest>),
    Burnt,
}

#[derive(Deserialize)]
struct Linked(u8, Option<Box<Linked>>);

#[derive(Deserialize)]
struct Rows(Vec<Rows>);

#[derive(Deserialize)]
struct Named {
    parts: BTreeMap<u8, Named>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "value")]
enum Adjacently {
    End(u8),
    More(Box<Adjacently>),
}

/// That these contain themselves is seen, because they do so through nodes. The last three must only end.
#[test]
fn recursion_that_is_seen_stays_known() {
    assert_eq!((trace::<Tree>(), trace::<Forest>()), (KNOWN, KNOWN));
    assert_eq!(trace::<Adjacently>(), UNKNOWN);
    let _ = (trace::<Linked>(), trace::<Rows>(), trace::<Named>());
}

/// Each level takes more stack than 64 of them may.
#[test]
fn a_type_with_large_levels_does_not_overflow_the_stack() {
    #[derive(Deserialize)]
    struct Large<T> {
        next: Box<T>,
        #[serde(deserialize_with = "large")]
        large: [u8; 65_536],
    }
    fn large<'de, D: serde::Deserializer<'de>>(from: D) -> Result<[u8; 65_536], D::Error> {
        u8::deserialize(from).map(|value| [value; 65_536])
    }
    type Larger<T> = Large<Large<Large<Large<T>>>>;
    type Largest = Larger<Larger<Larger<Larger<u8>>>>;
    assert_eq!(trace::<Largest>(), UNKNOWN);
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Bottomless {
    More(Box<Bottomless>),
    End(u8),
}

/// No value is read as such a type. An event with it must still not end the process where its type is hosted.
#[test]
fn an_event_that_no_value_can_be_read_as_is_unknown() {
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Flattest {
        value: u8,
        #[serde(flatten)]
        next: Option<Box<Flattest>>,
    }
    #[derive(Deserialize)]
    enum Event {
        Grew(Bottomless),
        Shrank { by: u8, what: Flattest },
    }
    for name in ["Grew", "Shrank"] {
        let event = variant::<Event>(name);
        assert_eq!((event.exists, event.words.is_ok()), (Some(true), false), "{name}");
        assert!(variant_has_catch_all::<Event>(name), "it is not known that there is none");
    }
}
