//! The recorded shapes are checked wherever stored events are decoded: in reads of the past, in tools, in
//! comparisons of two releases, and in a store that a migration has written.

use std::sync::Arc;

use actuarius::error::CodecError;
use actuarius::history::Moment;
use actuarius::inspection::{self, Shapes};
use actuarius::operations::Reencode;
use actuarius::projection::Projection;
use actuarius::store::memory::{self, Contents};
use actuarius::store::migrate;
use actuarius::store::{PageLimit, Reader, Store, ignore_progress};
use actuarius::testing::{divergence, view_divergence};
use actuarius::{Codec, Envelope, Failure, Hosting, Id, Position, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::shapes::{bincode, first, inserted, shut, stored};
use crate::common::open_on;

const OTHER: &str = "enum(Chf|Eur|Usd)";

/// A read of the past replays events by itself. It showed 500 francs where the present was refused.
#[tokio::test]
async fn a_state_of_the_past_is_not_made_of_misread_events() {
    let contents = stored().await;
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<inserted::Order>(bincode());
    for moment in [Moment::Version(Version::new(1)), Moment::Position(Position::new(1))] {
        let past = orders.as_of("e", moment).await.map(|past| past.state.0);
        let Err(Failure::Undecodable(undecodable)) = past else { panic!("{past:?}") };
        assert!(undecodable.error.to_string().contains(OTHER), "{undecodable}");
    }
    assert_eq!(
        orders.as_of("s", Moment::Version(Version::new(1))).await.unwrap().state.0,
        ["Shut"]
    );
    shut(runtime).await;
}

/// Returns the results of decoding the first event of the log with two releases, as a tool does.
fn decoded(reader: &dyn Reader) -> (Result<String, CodecError>, Result<String, CodecError>) {
    let shapes = Shapes::read(reader).unwrap();
    let page = reader.read_log(Position::NONE, PageLimit::default()).unwrap();
    let commit = page.commits[0].view();
    let event = commit.events().next().unwrap();
    let first = inspection::envelopes::<first::Order>(&shapes, &commit, &event);
    let first = first.map(|them| format!("{:?}", them[0].event)).map_err(|it| it.error);
    let other = inspection::envelopes::<inserted::Order>(&shapes, &commit, &event);
    (first, other.map(|them| format!("{:?}", them[0].event)).map_err(|it| it.error))
}

/// An administrator's tool printed francs, and its user corrected the accounts.
#[tokio::test]
async fn a_tool_does_not_show_misread_events() {
    let (first, other) = decoded(&*memory::reopen(&stored().await).reader);
    assert_eq!(first.unwrap(), "Paid { cur: Eur, cents: 500, fee: 1 }");
    assert!(matches!(other, Err(CodecError::OtherShape { .. })), "{other:?}");
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Projection<inserted::Order> for Count {
    fn project(&mut self, _: &Envelope<inserted::Order>) {
        self.0 += 1;
    }
}

/// A comparison of the release in production with the next one is made to find such a mistake. It reported that
/// both have the same states.
#[tokio::test]
async fn a_comparison_of_two_releases_finds_the_one_that_misreads_events() {
    let reader = memory::reopen(&stored().await).reader;
    let found = divergence::<first::Order, inserted::Order>(&*reader).find().unwrap();
    let found = found.expect("the second one cannot read the first event");
    assert_eq!(found.position, Position::new(1));
    assert!(found.old.is_ok() && found.new.unwrap_err().contains(OTHER));
    let views = view_divergence::<Count, Count>(&*reader).on::<inserted::Order>();
    let found = views.find().unwrap().expect("neither can read the first event");
    assert!(found.new.unwrap_err().contains(OTHER));
}

/// Orders that were stored as JSON, in a store with a saga: the migration of one is rehearsed, and what was recorded in
/// the rehearsal counted as recorded.
async fn migrated() -> (Store, Arc<Contents>) {
    let json = Arc::default();
    let (runtime, _) = open_on(&json).await;
    let orders = runtime.host_with::<first::Order>(Hosting::default().codec(Codec::Json));
    let paid = first::Event::Paid { cur: first::Cur::Eur, cents: 500, fee: 1 };
    orders.execute("e", paid).await.unwrap();
    let schedules = runtime.schedules().sends_to(&orders).start().await.unwrap();
    let much_later = Timestamp::from_micros(i64::MAX);
    let order = Id::<first::Order>::new("e").unwrap();
    schedules.schedule(&order, first::Event::Shut, much_later).await.unwrap();
    drop(schedules);
    shut(runtime).await;
    let contents = Arc::default();
    (memory::reopen(&json), contents)
}

/// A migration to bincode recorded no shapes. The program was changed before it stored the next event of that
/// type, and read the migrated ones as francs.
#[tokio::test]
async fn a_migration_records_the_shapes_of_what_it_encodes() {
    let (old, contents) = migrated().await;
    let mut transform = Reencode::default().on::<first::Order>(Codec::Bincode);
    // The same transform may be run for several stores.
    for mut new in [memory::open(), memory::reopen(&contents)] {
        migrate::run(&*old.reader, &mut new, &mut transform, &mut ignore_progress).unwrap();
        let (first, other) = decoded(&*new.reader);
        assert_eq!(first.unwrap(), "Paid { cur: Eur, cents: 500, fee: 1 }");
        assert!(matches!(other, Err(CodecError::OtherShape { .. })), "{other:?}");
        assert_eq!(new.reader.notes(b"shape/", None, 9).unwrap().len(), 1);
    }
    let (runtime, _) = open_on(&contents).await;
    let orders = runtime.host_with::<inserted::Order>(bincode());
    assert!(orders.query("e", |_| ()).await.is_err());
    shut(runtime).await;
}
