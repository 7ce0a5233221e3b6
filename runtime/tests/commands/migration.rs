//! Migrates a history into another store with today's events, and checks that the states are the
//! same.

use std::convert::Infallible;
use std::time::Duration;

use actuarius::operations::{OtherState, Reencode, same_states};
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::copy::Selection;
use actuarius::store::migrate::{self, BoxError, Rewrite, Transform};
use actuarius::store::{CommitView, PageLimit, Reader, ignore_progress, memory, sled};
use actuarius::{Aggregate, Codec, Context, Position, Runtime, testing};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Ledger};

const LONG: Duration = Duration::from_secs(60);

/// A till as the first release had it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct OldTill {
    cents: i64,
}

#[derive(Serialize, Deserialize)]
enum OldEvent {
    Paid(i64),
    Looked,
}

impl Aggregate for OldTill {
    const TYPE: &'static str = "till";
    type Command = i64;
    type Event = OldEvent;
    type Error = Infallible;

    fn decide(&self, cents: i64, _: &Context) -> Result<Vec<OldEvent>, Infallible> {
        Ok(vec![OldEvent::Paid(cents), OldEvent::Looked])
    }

    fn apply(&mut self, event: &OldEvent) {
        if let OldEvent::Paid(cents) = event {
            self.cents += cents;
        }
    }
}

/// The same till today.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Till {
    cents: i64,
}

#[derive(Serialize, Deserialize)]
enum Event {
    Paid { cents: i64, currency: String },
}

#[derive(Serialize)]
struct PaidV2 {
    cents: i64,
    currency: String,
}

impl Aggregate for Till {
    const TYPE: &'static str = "till";
    type Command = i64;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, cents: i64, _: &Context) -> Result<Vec<Event>, Infallible> {
        Ok(vec![Event::Paid { cents, currency: "EUR".to_owned() }])
    }

    fn apply(&mut self, Event::Paid { cents, .. }: &Event) {
        self.cents += cents;
    }

    fn schema_version(_: &str) -> u32 {
        2
    }

    fn upcasters() -> Upcasters {
        Upcasters::new()
            .upcast("Paid", 1, |cents: i64| {
                Recast::to(2, PaidV2 { cents, currency: "EUR".to_owned() })
            })
            .leave_out("Looked", 1)
    }
}

async fn add(runtime: &Runtime) {
    let (tills, ledgers) = (runtime.host::<OldTill>(), runtime.host::<Ledger>());
    for number in 0..60 {
        let id = format!("{}", number % 4);
        tills.execute(id.as_str(), number).await.unwrap();
        ledgers.execute(id.as_str(), Command::Add(number)).await.unwrap();
    }
}

fn codecs(reader: &dyn Reader, kind: &str) -> Vec<(u8, u32)> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let page = reader.read_log(Position::NONE, limit).unwrap();
    let views = page.commits.iter().map(|commit| commit.view()).filter(|it| it.category == kind);
    let shapes = views.flat_map(|it| it.events().map(|it| (it.codec_byte(), it.schema_version)));
    let mut shapes: Vec<_> = shapes.collect();
    shapes.dedup();
    shapes
}

#[tokio::test]
async fn a_history_is_migrated_to_todays_events_with_another_codec() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let runtime = Runtime::open(&old).await.unwrap();
    add(&runtime).await;
    assert!(runtime.shutdown(LONG).await.is_clean());

    let (from, mut to) = (sled::open(&old).unwrap(), sled::open(&new).unwrap());
    let mut reencode = Reencode::default().on::<Till>(Codec::Json);
    let migrated =
        migrate::run(&*from.reader, &mut to, &mut reencode, &mut ignore_progress).unwrap();
    assert_eq!((migrated.events_read, migrated.events_written), (180, 120), "60 were left out");
    assert_eq!(codecs(&*to.reader, "till"), [(Codec::Json.byte(), 2)]);
    assert_eq!(codecs(&*to.reader, "ledger"), [(Codec::MessagePack.byte(), 1)]);
    let same = same_states::<Till>(&*from.reader, &*to.reader).unwrap();
    assert_eq!((same.same, same.missing), (4, 0));
    let again = migrate::run(&*from.reader, &mut to, &mut reencode, &mut ignore_progress).unwrap();
    assert_eq!(again, migrated);
    drop((from, to));

    let runtime = Runtime::open(&new).await.unwrap();
    let tills = runtime.host::<Till>();
    let cents: i64 = (0..15).map(|it| it * 4 + 3).sum();
    assert_eq!(tills.query("3", |till| till.cents).await.unwrap(), cents);
    assert_eq!(tills.execute("3", 1).await.unwrap().version.get(), 16);
    let ledgers = runtime.host::<Ledger>();
    assert_eq!(ledgers.query("3", |it| it.entries.len()).await.unwrap(), 15);
}

#[tokio::test]
async fn a_different_state_is_reported_and_a_missing_one_is_counted() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime).await;
    let (from, mut to) = (runtime.reader().unwrap(), memory::open());
    let mut lose = |commit: &CommitView<'_>, out: &mut Rewrite| -> Result<(), BoxError> {
        let is_lost = commit.id == "1" || (commit.id == "2" && commit.version.get() > 1);
        if !(is_lost && commit.category == "ledger") {
            out.keep();
        }
        Ok(())
    };
    migrate::run(&*from, &mut to, &mut lose as &mut dyn Transform, &mut ignore_progress).unwrap();
    let error = same_states::<Ledger>(&*from, &*to.reader).unwrap_err();
    assert!(matches!(&error, OtherState::Differs { stream } if stream.id() == "2"), "{error}");
    let tills = same_states::<OldTill>(&*from, &*to.reader).unwrap();
    assert_eq!((tills.same, tills.missing), (4, 0));
    let none = same_states::<OldTill>(&*from, &*memory::open().reader).unwrap();
    assert_eq!((none.same, none.missing), (0, 4));
}

#[tokio::test]
async fn another_runtime_can_open_a_copy_of_some_streams() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime).await;
    let some = Selection::matching(|kind, id| kind == "ledger" && id == "2");
    let copy = testing::copy_of(&*runtime.reader().unwrap(), &some);
    let aside = Runtime::builder().on_store(copy).await.unwrap();
    let ledgers = aside.host::<Ledger>();
    ledgers.execute("2", Command::Add(1_000)).await.unwrap();
    let total = ledgers.query("2", |it| it.total).await.unwrap();
    let live = runtime.host::<Ledger>().query("2", |it| it.total).await.unwrap();
    assert_eq!(total, live + 1_000, "the other store is unchanged");
    assert!(!ledgers.exists("1").await.unwrap());
}
