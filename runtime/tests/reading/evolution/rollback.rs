//! An earlier release on a store that a later one has written, and event types of which no event was stored.

use std::convert::Infallible;
use std::sync::Arc;

use actuarius::error::{CodecError, QuarantineReason};
use actuarius::store::memory;
use actuarius::{Aggregate, Context, ExecuteError, Failure};
use serde::{Deserialize, Serialize};

use super::shapes::{appended, bincode, first, shut, stored};
use crate::common::open_on;

/// A release added a currency at the end, stored one payment in it, and was rolled back. The earlier release could
/// read and write no payment of any aggregate any more.
#[tokio::test]
async fn an_earlier_release_reads_everything_but_the_events_with_new_variants() {
    let contents = stored().await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<appended::Order>(bincode());
    let pay = appended::Event::Paid { cur: appended::Cur::Chf, cents: 9, fee: 0 };
    orders.execute("e", pay).await.unwrap();
    shut(runtime).await;

    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<first::Order>(bincode());
    let paid = orders.query("u", |order| order.0.concat()).await.unwrap();
    assert_eq!(paid, "Paid { cur: Usd, cents: 7, fee: 1 }");
    let pay = first::Event::Paid { cur: first::Cur::Eur, cents: 1, fee: 0 };
    orders.execute("u", pay.clone()).await.unwrap();
    orders.execute("new", pay).await.unwrap();
    let unread = orders.query("e", |_| ()).await.unwrap_err();
    let Failure::Quarantined(why) = unread else { panic!("{unread}") };
    let QuarantineReason::Undecodable { error, .. } = &why.reason else { panic!("{why}") };
    assert!(matches!(error, CodecError::Decode(_)), "{error}");
    shut(runtime).await;

    // The record is still that of the later release, which reads all of it.
    let notes = memory::reopen(&contents).reader.notes(b"shape/5/order1/Paid", None, 9).unwrap();
    assert!(String::from_utf8_lossy(&notes[0].value).contains("Chf"));
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<appended::Order>(bincode());
    let all = orders.query("e", |order| order.0.len()).await.unwrap();
    assert_eq!(all, 2);
    assert_eq!(orders.query("u", |order| order.0.len()).await.unwrap(), 2);
    shut(runtime).await;
}

/// Two releases of an enum. The catch-all variant of the first one takes what it does not know for something without
/// content.
macro_rules! release {
    ($name:ident { $($variants:tt)* }) => {
        mod $name {
            #![allow(dead_code)]
            use super::*;

            #[derive(Debug, Clone, Serialize, Deserialize)]
            pub(super) enum Reason {
                $($variants)*
            }

            #[derive(Debug, Clone, Serialize, Deserialize)]
            pub(super) enum Event {
                Struck { reason: Reason, all: Vec<u8> },
            }

            #[derive(Default, Serialize, Deserialize)]
            pub(super) struct Mark(String);

            impl Aggregate for Mark {
                const TYPE: &'static str = "mark";
                type Command = Event;
                type Event = Event;
                type Error = Infallible;
                fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
                    Ok(vec![event])
                }
                fn apply(&mut self, event: &Event) {
                    self.0 = format!("{event:?}");
                }
            }
        }
    };
}

release!(without {
    Known,
    #[serde(other)]
    Other
});
release!(with { Known, Other, Because(u8) });

/// `Because(2)` and one byte would be read as `Other` and two bytes.
#[tokio::test]
async fn an_earlier_release_with_a_catch_all_variant_is_refused() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let marks = runtime.host_with::<with::Mark>(bincode());
    let struck = with::Event::Struck { reason: with::Reason::Because(2), all: vec![7] };
    marks.execute("m", struck).await.unwrap();
    shut(runtime).await;
    let (runtime, _) = open_on(&contents).await;
    let marks = runtime.host_with::<without::Mark>(bincode());
    let unread = marks.query("m", |_| ()).await.unwrap_err();
    let Failure::Quarantined(why) = unread else { panic!("{unread}") };
    let QuarantineReason::Undecodable { error, .. } = &why.reason else { panic!("{why}") };
    assert!(matches!(error, CodecError::OtherShape { .. }), "{error}");
    shut(runtime).await;
}

#[derive(Default, Serialize, Deserialize)]
struct Fragile;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Blow {
    Light(u8),
    Heavy(u64),
}

impl Aggregate for Fragile {
    const TYPE: &'static str = "fragile";
    type Command = Blow;
    type Event = Blow;
    type Error = Infallible;
    fn decide(&self, blow: Blow, _: &Context) -> Result<Vec<Blow>, Infallible> {
        Ok(vec![blow])
    }
    fn apply(&mut self, blow: &Blow) {
        assert!(matches!(blow, Blow::Light(_)), "it broke");
    }
}

/// `apply` panicked at the first event of a type, so the event was dropped. Its shape stayed in the store, and the
/// corrected type, with another shape, was refused because of an event that never existed.
#[tokio::test]
async fn the_shape_of_an_event_that_is_not_stored_is_not_recorded() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let all = runtime.host_with::<Fragile>(bincode());
    let broken = all.execute("f", Blow::Heavy(7)).await.unwrap_err();
    assert!(matches!(broken, ExecuteError::Failed(Failure::Quarantined(_))), "{broken}");
    all.execute("g", Blow::Light(7)).await.unwrap();
    shut(runtime).await;
    let notes = memory::reopen(&contents).reader.notes(b"shape/", None, 9).unwrap();
    let keys: Vec<_> = notes.iter().map(|it| String::from_utf8_lossy(&it.key)).collect();
    assert_eq!(keys, ["shape/7/fragile1/Light"]);
}
