//! The shape of each event type is recorded with its first event, if the codec is not self-describing, and a
//! type with another shape is neither read nor written.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::{CodecError, QuarantineReason};
use actuarius::health::FollowerStatus;
use actuarius::operations::Reencode;
use actuarius::projection::Projection;
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::{self, Contents};
use actuarius::store::migrate::{self, MigrateError};
use actuarius::store::{Notes, ignore_progress};
use actuarius::subscription::Retry;
use actuarius::{
    Aggregate, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Runtime, Version,
};
use serde::{Deserialize, Serialize};

use crate::common::{eventually, open_on};

/// The same aggregate in several releases. Its state has all events, in words.
macro_rules! release {
    ($name:ident { $($items:item)* } $version:literal $upcasters:expr) => {
        pub(crate) mod $name {
            #![allow(dead_code)]
            use super::*;

            #[derive(Default, Serialize, Deserialize)]
            pub(crate) struct Order(pub(crate) Vec<String>);

            $(#[derive(Debug, Clone, Serialize, Deserialize)] $items)*

            impl Aggregate for Order {
                const TYPE: &'static str = "order";
                type Command = Event;
                type Event = Event;
                type Error = Infallible;
                fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
                    Ok(vec![event])
                }
                fn apply(&mut self, event: &Event) {
                    self.0.push(format!("{event:?}"));
                }
                fn schema_version(event_type: &str) -> u32 {
                    if event_type == "Paid" { $version } else { 1 }
                }
                fn upcasters() -> Upcasters {
                    $upcasters
                }
            }
        }
    };
}

release!(first {
    pub(crate) enum Event { Paid { cur: Cur, cents: u64, fee: u64 }, Shut }
    pub(crate) enum Cur { Eur, Usd }
} 1 Upcasters::new());
release!(inserted {
    pub(crate) enum Event { Paid { cur: Cur, cents: u64, fee: u64 }, Shut }
    pub(crate) enum Cur { Chf, Eur, Usd }
} 1 Upcasters::new());
release!(reordered {
    pub(crate) enum Event { Paid { cur: Cur, cents: u64, fee: u64 }, Shut }
    pub(crate) enum Cur { Usd, Eur }
} 1 Upcasters::new());
release!(renamed {
    pub(crate) enum Event { Paid { cur: Cur, cents: u64, fee: u64 }, Shut }
    pub(crate) enum Cur { Euro, Usd }
} 1 Upcasters::new());
release!(signed {
    pub(crate) enum Event { Paid { cur: Cur, cents: i64, fee: u64 }, Shut }
    pub(crate) enum Cur { Eur, Usd }
} 1 Upcasters::new());
release!(swapped {
    pub(crate) enum Event { Paid { cur: Cur, fee: u64, cents: u64 }, Shut }
    pub(crate) enum Cur { Eur, Usd }
} 1 Upcasters::new());
release!(appended {
    pub(crate) enum Event { Opened, Paid { cur: Cur, cents: u64, fee: u64 }, Shut }
    pub(crate) enum Cur { Eur, Usd, Chf }
} 1 Upcasters::new());

#[derive(Deserialize)]
struct PaidV1 {
    cur: first::Cur,
    cents: u64,
    fee: u64,
}
#[derive(Serialize)]
struct PaidV2 {
    cur: String,
    cents: i64,
}
#[derive(Deserialize)]
struct Swapped {
    cur: first::Cur,
    fee: u64,
    cents: u64,
}
fn paid(cur: &first::Cur, cents: u64, fee: u64) -> Recast {
    let cents = i64::try_from(cents + fee).unwrap();
    Recast::to(2, PaidV2 { cur: format!("{cur:?}"), cents })
}
release!(second {
    pub(crate) enum Event { Paid { cur: String, cents: i64 }, Shut }
} 2 Upcasters::new().upcast("Paid", 1, |old: PaidV1| paid(&old.cur, old.cents, old.fee)));
release!(misreading {
    pub(crate) enum Event { Paid { cur: String, cents: i64 }, Shut }
} 2 Upcasters::new().upcast("Paid", 1, |old: Swapped| paid(&old.cur, old.cents, old.fee)));

pub(crate) fn bincode() -> Hosting {
    Hosting::default().codec(Codec::Bincode).without_snapshots()
}

pub(crate) async fn shut(runtime: Runtime) {
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
}

pub(crate) async fn stored() -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<first::Order>(bincode());
    let pay = |cur, cents| first::Event::Paid { cur, cents, fee: 1 };
    orders.execute("e", pay(first::Cur::Eur, 500)).await.unwrap();
    orders.execute("u", pay(first::Cur::Usd, 7)).await.unwrap();
    orders.execute("s", first::Event::Shut).await.unwrap();
    shut(runtime).await;
    contents
}

/// Returns what each attempt to read a payment, and to write one, returns: always the same.
async fn told<A: Aggregate>(contents: &Arc<Contents>, paid: A::Command) -> CodecError {
    let (runtime, _) = open_on(contents).await;
    let orders = runtime.host_with::<A>(bincode());
    let unread = orders.query("e", |_| ()).await.unwrap_err();
    let Failure::Quarantined(why) = unread else { panic!("{unread}") };
    let QuarantineReason::Undecodable { error, .. } = &why.reason else { panic!("{why}") };
    let read = orders.events("u", Version::NONE).await.map(drop).unwrap_err();
    let Failure::Undecodable(read) = read else { panic!("{read}") };
    assert_eq!(read.error, *error);
    let written = orders.execute("new", paid).await.unwrap_err();
    let ExecuteError::Failed(Failure::Unstorable(unwritten)) = written else { panic!("{written}") };
    assert_eq!(unwritten, *error);
    assert!(!orders.exists("new").await.unwrap(), "nothing was written");
    shut(runtime).await;
    error.clone()
}

/// 500 euros became 500 francs: the bytes of a nested enum are numbers, and a variant was inserted before the
/// others. Without an error, the wrong currency was served, and projected.
#[tokio::test]
async fn events_of_another_shape_are_neither_read_nor_written() {
    let contents = stored().await;
    let before = "{cur: enum(Eur|Usd), cents: u64, fee: u64}";
    macro_rules! refused {
        ($($release:ident $paid:expr, $current:literal;)*) => {
            $({
                use $release::{Cur, Event};
                let told = told::<$release::Order>(&contents, $paid).await;
                let CodecError::OtherShape { name, schema_version, recorded, current } = &told else {
                    panic!("{told}")
                };
                assert_eq!((name.as_str(), *schema_version), ("Paid", 1));
                assert_eq!((recorded.as_str(), current.as_str()), (before, $current));
                assert!(told.to_string().contains("raise its schema version"), "{told}");
            })*
        };
    }
    refused! {
        inserted Event::Paid { cur: Cur::Eur, cents: 1, fee: 1 },
            "{cur: enum(Chf|Eur|Usd), cents: u64, fee: u64}";
        reordered Event::Paid { cur: Cur::Eur, cents: 1, fee: 1 },
            "{cur: enum(Usd|Eur), cents: u64, fee: u64}";
        renamed Event::Paid { cur: Cur::Usd, cents: 1, fee: 1 },
            "{cur: enum(Euro|Usd), cents: u64, fee: u64}";
        signed Event::Paid { cur: Cur::Eur, cents: 1, fee: 1 },
            "{cur: enum(Eur|Usd), cents: i64, fee: u64}";
        swapped Event::Paid { cur: Cur::Eur, cents: 1, fee: 1 },
            "{cur: enum(Eur|Usd), fee: u64, cents: u64}";
    }
    // The former program reads on, and so do the other event types of a changed one.
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<first::Order>(bincode());
    let paid = orders.query("e", |order| order.0.concat()).await.unwrap();
    assert_eq!(paid, "Paid { cur: Eur, cents: 500, fee: 1 }");
    shut(runtime).await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<inserted::Order>(bincode());
    orders.execute("s", inserted::Event::Shut).await.unwrap();
    assert_eq!(orders.query("s", |order| order.0.len()).await.unwrap(), 2);
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Projection<inserted::Order> for Count {
    fn project(&mut self, _: &Envelope<inserted::Order>) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn a_projection_halts_at_an_event_of_another_shape() {
    let (runtime, _) = open_on(&stored().await).await;
    let count = runtime.projection::<Count>("count").on::<inserted::Order>();
    let count = count.retry(Retry::default().attempts(1)).start().await.unwrap();
    eventually(|| matches!(count.status(), FollowerStatus::Halted { .. })).await;
    let FollowerStatus::Halted { why, .. } = count.status() else { panic!() };
    assert!(why.contains("enum(Eur|Usd)") && why.contains("enum(Chf|Eur|Usd)"), "{why}");
    assert_eq!(count.read(|it| it.0), 0, "nothing was misread");
}

/// A variant at the end of a nested enum leaves the stored numbers their meaning.
#[tokio::test]
async fn a_variant_added_at_the_end_of_a_nested_enum_is_read_on() {
    let contents = stored().await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<appended::Order>(bincode());
    let paid = orders.query("u", |order| order.0.concat()).await.unwrap();
    assert_eq!(paid, "Paid { cur: Usd, cents: 7, fee: 1 }");
    let pay = appended::Event::Paid { cur: appended::Cur::Chf, cents: 9, fee: 0 };
    orders.execute("e", pay).await.unwrap();
    shut(runtime).await;
    let pay = reordered::Event::Paid { cur: reordered::Cur::Eur, cents: 1, fee: 0 };
    let told = told::<reordered::Order>(&contents, pay).await;
    assert!(told.to_string().contains("the shape {cur: enum(Eur|Usd|Chf)"), "{told}");
}

/// The way out that the error names.
#[tokio::test]
async fn with_a_raised_schema_version_and_an_upcaster_everything_is_read() {
    let contents = stored().await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<second::Order>(bincode());
    let pay = second::Event::Paid { cur: "Eur".to_owned(), cents: 2 };
    orders.execute("e", pay).await.unwrap();
    shut(runtime).await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<second::Order>(bincode());
    let all = orders.query("e", |order| order.0.join(", ")).await.unwrap();
    assert_eq!(all, r#"Paid { cur: "Eur", cents: 501 }, Paid { cur: "Eur", cents: 2 }"#);
}

/// The type that an upcaster reads is a shape as well. With two of its fields swapped it read the cents of old
/// payments as their fees.
#[tokio::test]
async fn an_upcaster_that_reads_another_shape_is_reported() {
    let (runtime, _) = open_on(&stored().await).await;
    let orders = runtime.host_with::<misreading::Order>(bincode());
    let unread = orders.query("e", |_| ()).await.unwrap_err();
    let Failure::Quarantined(why) = unread else { panic!("{unread}") };
    let QuarantineReason::Undecodable { error, .. } = &why.reason else { panic!("{why}") };
    assert!(matches!(error, CodecError::UpcasterReadsOtherShape { .. }), "{error}");
}

/// Stores that were written before have no recorded shapes, and are read on. The next event records today's.
#[tokio::test]
async fn a_store_without_recorded_shapes_is_read_on() {
    let contents = stored().await;
    let mut store = memory::reopen(&contents);
    let notes = store.reader.notes(b"shape/", None, 9).unwrap();
    let keys: Vec<_> =
        notes.iter().map(|it| String::from_utf8_lossy(&it.key).into_owned()).collect();
    assert_eq!(keys, ["shape/5/order1/Paid", "shape/5/order1/Shut"]);
    let mut removed = Notes::default();
    keys.iter().for_each(|key| removed.remove(key).unwrap());
    let batch = actuarius::store::Batch { notes: vec![removed], ..Default::default() };
    store.writer.commit(&batch).unwrap();
    drop(store);
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<first::Order>(bincode());
    orders.query("e", |_| ()).await.unwrap();
    orders.execute("e", first::Event::Shut).await.unwrap();
    shut(runtime).await;
    let notes = memory::reopen(&contents).reader.notes(b"shape/", None, 9).unwrap();
    assert_eq!(notes.len(), 1, "that of the one event type that was written");
}

/// Self-describing codecs notice changes themselves, and bear many of them.
#[tokio::test]
async fn self_describing_codecs_record_no_shapes() {
    for codec in [Codec::Json, Codec::MessagePack] {
        let contents = Arc::default();
        let (runtime, _) = open_on(&contents).await;
        let orders = runtime.host_with::<first::Order>(bincode().codec(codec));
        orders.execute("s", first::Event::Shut).await.unwrap();
        shut(runtime).await;
        assert_eq!(memory::reopen(&contents).reader.notes(b"shape/", None, 9).unwrap(), []);
    }
}

/// A migration that encodes events again reads them first. With another shape, it would have made the wrong
/// values permanent.
#[tokio::test]
async fn a_migration_does_not_encode_misread_events() {
    let contents = stored().await;
    let (old, mut new) = (memory::reopen(&contents), memory::open());
    let mut transform = Reencode::default().on::<inserted::Order>(Codec::Json);
    let refused = migrate::run(&*old.reader, &mut new, &mut transform, &mut ignore_progress);
    let Err(MigrateError::Transform { source, .. }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("enum(Chf|Eur|Usd)"), "{source}");
    assert_eq!(new.reader.head().get(), 0);
    let mut transform = Reencode::default().on::<first::Order>(Codec::Json);
    let mut new = memory::open();
    migrate::run(&*old.reader, &mut new, &mut transform, &mut ignore_progress).unwrap();
    assert_eq!(new.reader.notes(b"shape/", None, 9).unwrap(), [], "JSON needs no record");
}

/// The events of one type were stored with both codecs. Those with bincode had another shape and were copied unread,
/// while the others recorded today's shape, under which the copied ones were misread in the new store.
#[tokio::test]
async fn a_migration_does_not_copy_what_it_cannot_read_beside_what_it_encodes() {
    let contents = stored().await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<inserted::Order>(bincode().codec(Codec::MessagePack));
    let pay = inserted::Event::Paid { cur: inserted::Cur::Chf, cents: 1, fee: 1 };
    orders.execute("m", pay).await.unwrap();
    shut(runtime).await;
    let (old, mut new) = (memory::reopen(&contents), memory::open());
    let mut transform = Reencode::default().on::<inserted::Order>(Codec::Bincode);
    let refused = migrate::run(&*old.reader, &mut new, &mut transform, &mut ignore_progress);
    let Err(MigrateError::Transform { source, .. }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("enum(Chf|Eur|Usd)"), "{source}");
}
