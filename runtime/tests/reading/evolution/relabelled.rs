//! Events that an upcaster only relabels, or whose shape is too long to be recorded whole: the shape of what reads
//! them in the end is compared with the recorded one.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, LazyLock};

use actuarius::error::{CodecError, QuarantineReason};
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::Contents;
use actuarius::{Aggregate, Context, Failure};
use serde::de::{EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shapes::{bincode, shut};
use crate::common::open_on;

/// An enum of 1,000 variants: in words, it is longer than what a note contains.
#[derive(Debug, Clone, Copy)]
struct Long(u32);

static NAMES: LazyLock<&'static [&'static str]> = LazyLock::new(|| {
    let names = (0..1_000).map(|number| &*format!("Variant{number}").leak());
    names.collect::<Vec<&str>>().leak()
});

impl Serialize for Long {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("Long", self.0, NAMES[self.0 as usize])
    }
}

impl<'de> Deserialize<'de> for Long {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Long", &NAMES, LongVisitor)
    }
}

struct LongVisitor;

impl<'de> Visitor<'de> for LongVisitor {
    type Value = Long;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("one of 1,000 variants")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<Long, A::Error> {
        let (Number(number), content) = variant.variant()?;
        content.unit_variant().map(|()| Long(number))
    }
}

struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a variant")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as u32))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Number, E> {
        let number = NAMES.iter().position(|known| *known == name);
        number.map(|number| Number(number as u32)).ok_or_else(|| E::custom("no variant"))
    }
}

/// A release of the same aggregate. Its state has all events, in words.
macro_rules! release {
    ($name:ident { $($variant:tt)* } $upcasters:expr) => {
        mod $name {
            #![allow(dead_code)]
            use super::*;

            #[derive(Default, Serialize, Deserialize)]
            pub(super) struct Door(pub(super) Vec<String>);

            #[derive(Debug, Clone, Serialize, Deserialize)]
            pub(super) enum Event { $($variant)* }

            impl Aggregate for Door {
                const TYPE: &'static str = "door";
                type Command = Event;
                type Event = Event;
                type Error = Infallible;
                fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
                    Ok(vec![event])
                }
                fn apply(&mut self, event: &Event) {
                    self.0.push(format!("{event:?}"));
                }
                fn upcasters() -> Upcasters {
                    $upcasters
                }
            }
        }
    };
}

#[derive(Deserialize)]
struct InOrder {
    a: u64,
    b: u64,
}
#[derive(Deserialize)]
struct Swapped {
    b: u64,
    a: u64,
}
#[derive(Deserialize)]
struct LongSwapped {
    long: Long,
    b: u64,
    a: u64,
}
#[derive(Deserialize)]
struct LongInOrder {
    long: Long,
    a: u64,
    b: u64,
}
#[derive(Serialize)]
struct Blocked {
    a: u64,
    b: u64,
}
fn blocked(a: u64, b: u64) -> Recast {
    Recast::renamed("Blocked", 1, Blocked { a, b })
}

release!(first { Frozen { a: u64, b: u64 }, Long { long: Long, a: u64, b: u64 } } Upcasters::new());
release!(renamed { Blocked { a: u64, b: u64 } } Upcasters::new().rename("Frozen", 1, "Blocked", 1));
release!(other_names { Blocked { x: u64, y: u64 } }
    Upcasters::new().rename("Frozen", 1, "Blocked", 1));
release!(swapped { Blocked { b: u64, a: u64 } } Upcasters::new().rename("Frozen", 1, "Blocked", 1));
release!(moved { Blocked { b: u64, c: u64 } } Upcasters::new().rename("Frozen", 1, "Blocked", 1));
release!(signed { Blocked { a: u64, b: i64 } } Upcasters::new().rename("Frozen", 1, "Blocked", 1));
release!(twice { Blocked { b: u64, a: u64 } }
    Upcasters::new().rename("Frozen", 1, "Halted", 1).rename("Halted", 1, "Blocked", 1));
release!(then_upcast { Blocked { a: u64, b: u64 } }
    Upcasters::new().rename("Frozen", 1, "Halted", 1).upcast("Halted", 1, |it: InOrder| blocked(it.a, it.b)));
release!(then_swapped { Blocked { a: u64, b: u64 } }
    Upcasters::new().rename("Frozen", 1, "Halted", 1).upcast("Halted", 1, |it: Swapped| blocked(it.a, it.b)));
release!(left_out { Blocked { a: u64, b: u64 } } Upcasters::new().leave_out("Frozen", 1));
release!(long { Blocked { a: u64, b: u64 } }
    Upcasters::new().upcast("Long", 1, |it: LongInOrder| blocked(it.a + u64::from(it.long.0), it.b)));
release!(long_swapped { Blocked { a: u64, b: u64 } }
    Upcasters::new().upcast("Long", 1, |it: LongSwapped| blocked(it.a + u64::from(it.long.0), it.b)));

async fn stored() -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let doors = runtime.host_with::<first::Door>(bincode());
    doors.execute("f", first::Event::Frozen { a: 1, b: 2 }).await.unwrap();
    doors.execute("l", first::Event::Long { long: Long(7), a: 1, b: 2 }).await.unwrap();
    shut(runtime).await;
    contents
}

/// Returns the events of an aggregate in words, or why they are not read.
async fn read<A: Aggregate>(
    contents: &Arc<Contents>,
    id: &str,
    words: fn(&A) -> String,
) -> Result<String, CodecError> {
    let (runtime, _) = open_on(contents).await;
    let doors = runtime.host_with::<A>(bincode());
    let read = match doors.query(id, words).await {
        Ok(words) => Ok(words),
        Err(Failure::Quarantined(why)) => match &why.reason {
            QuarantineReason::Undecodable { error, .. } => Err(error.clone()),
            other => panic!("{other:?}"),
        },
        Err(other) => panic!("{other}"),
    };
    shut(runtime).await;
    read
}

macro_rules! read {
    ($release:ident $id:literal) => {
        read::<$release::Door>(&stored().await, $id, |door| door.0.concat()).await
    };
}

/// `Frozen` had become `Blocked`, with its two fields in another order. The shape of `Frozen` was recorded, nothing
/// compared it with that of `Blocked`, and the two values were exchanged.
#[tokio::test]
async fn a_relabelled_event_is_compared_with_what_it_becomes() {
    assert_eq!(read!(renamed "f").as_deref(), Ok("Blocked { a: 1, b: 2 }"));
    assert_eq!(read!(other_names "f").as_deref(), Ok("Blocked { x: 1, y: 2 }"));
    assert_eq!(read!(then_upcast "f").as_deref(), Ok("Blocked { a: 1, b: 2 }"));
    assert_eq!(read!(left_out "f").as_deref(), Ok(""));
    let refused = [
        read!(swapped "f"),
        read!(moved "f"),
        read!(signed "f"),
        read!(twice "f"),
        read!(then_swapped "f"),
    ];
    for refused in refused {
        let Err(CodecError::UpcasterReadsOtherShape { recorded, .. }) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(recorded, "{a: u64, b: u64}");
    }
    let text = read!(twice "f").unwrap_err().to_string();
    assert!(text.contains("reads {b: u64, a: u64}, as `Blocked`"), "{text}");
}

/// Of a shape of more than 4,000 bytes only a hash is recorded, and the input of an upcaster was not compared with
/// it: swapped fields were read as each other.
#[tokio::test]
async fn an_upcaster_of_a_long_shape_is_compared_as_well() {
    assert_eq!(read!(long "l").as_deref(), Ok("Blocked { a: 8, b: 2 }"));
    let refused = read!(long_swapped "l");
    assert!(matches!(refused, Err(CodecError::UpcasterReadsOtherShape { .. })), "{refused:?}");
}
