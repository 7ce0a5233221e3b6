//! Events that cannot be read are reported with stream, version, event type and schema version.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::{BoxError, CodecError, QuarantineReason, Undecodable};
use actuarius::health::FollowerStatus;
use actuarius::projection::Projection;
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::Contents;
use actuarius::subscription::Retry;
use actuarius::{Aggregate, Context, Envelope, ExecuteError, Failure, Hosting, Position, Version};
use serde::{Deserialize, Serialize};

use crate::common::{eventually, open_on};

/// The same aggregate in several releases, of which only the first is correct.
macro_rules! release {
    ($name:ident { $($variant:ident($content:ty)),* } $version:literal $upcasters:expr) => {
        pub(crate) mod $name {
            use super::*;

            #[derive(Default, Serialize, Deserialize)]
            pub(crate) struct Sum(pub(crate) i64);

            #[derive(Serialize, Deserialize)]
            pub(crate) enum Event {
                $($variant($content)),*
            }

            impl Aggregate for Sum {
                const TYPE: &'static str = "sum";
                type Command = Event;
                type Event = Event;
                type Error = Infallible;
                fn decide(&self, event: Event, _: &Context) -> Result<Vec<Event>, Infallible> {
                    Ok(vec![event])
                }
                fn apply(&mut self, _: &Event) {
                    self.0 += 1;
                }
                fn schema_version(_: &str) -> u32 {
                    $version
                }
                fn upcasters() -> Upcasters {
                    $upcasters
                }
            }
        }
    };
}

release!(first { Added(i64), Removed(i64) } 1 Upcasters::new());
// Without the wrong declaration, it would not be hosted.
release!(forgetful { Added(String) } 2 Upcasters::new().never_stored("Added", ..2));
release!(smaller { Added(i64) } 1 Upcasters::new());
release!(round { Added(i64) } 2 Upcasters::new().rename("Added", 1, "Added", 1));
release!(panics { Added(i64) } 2 Upcasters::new().upcast("Added", 1, |_: i64| -> Recast {
    std::panic::resume_unwind(Box::new("no such number"))
}));
release!(misreads { Added(i64) } 2 Upcasters::new().upcast("Added", 1, |(a, b): (i64, String)| {
    Recast::to(2, a + b.len() as i64)
}));
release!(miswrites { Added(i64) } 2 Upcasters::new().upcast("Added", 1, |_: i64| {
    Recast::to(2, "not a number at all")
}));

async fn stored() -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let sums = runtime.host_with::<first::Sum>(Hosting::default().without_snapshots());
    sums.execute("other", first::Event::Added(1)).await.unwrap();
    sums.execute("it", first::Event::Added(2)).await.unwrap();
    sums.execute("it", first::Event::Removed(3)).await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    contents
}

/// Returns the report about "it", which is the same from recovery and from reading.
async fn told<A: Aggregate>(contents: &Arc<Contents>) -> Undecodable {
    let (runtime, _) = open_on(contents).await;
    let sums = runtime.host::<A>();
    let quarantined = sums.query("it", |_| ()).await.unwrap_err();
    let Failure::Quarantined(why) = quarantined else { panic!("{quarantined}") };
    let QuarantineReason::Undecodable { event_type, schema_version, error } = &why.reason else {
        panic!("{why}")
    };
    let read = sums.events("it", Version::NONE).await.map(drop).unwrap_err();
    let Failure::Undecodable(read) = read else { panic!("{read}") };
    assert_eq!((&read.event_type, read.schema_version), (event_type, *schema_version));
    assert_eq!((read.version, Some(read.position)), (why.version, why.position));
    assert_eq!((read.stream.as_str(), &read.error), ("sum/it", error));
    *read
}

fn where_it_is(told: &Undecodable) -> (u64, u64, &str, u32) {
    (told.version.get(), told.position.get(), &told.event_type, told.schema_version)
}

#[tokio::test]
async fn a_missing_upcaster_is_reported_with_both_versions() {
    let told = told::<forgetful::Sum>(&stored().await).await;
    assert_eq!(where_it_is(&told), (1, 2, "Added", 1));
    let event_type = "Added".to_owned();
    assert_eq!(told.error, CodecError::MissingUpcaster { event_type, stored: 1, current: 2 });
    let text = "event 1 of sum/it at position 2, stored as `Added` with schema version 1: `Added` has \
                schema version 2, and no upcaster reads version 1";
    assert_eq!(told.to_string(), text);
}

#[tokio::test]
async fn a_removed_event_type_is_reported() {
    let told = told::<smaller::Sum>(&stored().await).await;
    assert_eq!(where_it_is(&told), (2, 3, "Removed", 1));
    let event_type = "Removed".to_owned();
    assert_eq!(told.error, CodecError::UnknownEventType { event_type });
}

#[tokio::test]
async fn upcasters_with_a_cycle_a_misread_or_a_wrong_result_are_reported() {
    let contents = stored().await;
    let round = told::<round::Sum>(&contents).await;
    assert!(matches!(round.error, CodecError::EndlessUpcasters { .. }), "{round}");
    for told in [told::<misreads::Sum>(&contents).await, told::<miswrites::Sum>(&contents).await] {
        assert_eq!(where_it_is(&told), (1, 2, "Added", 1));
        assert!(matches!(told.error, CodecError::Decode(_)), "{told}");
    }
}

#[tokio::test]
async fn an_upcaster_that_panics_quarantines_its_aggregate() {
    let (runtime, _) = open_on(&stored().await).await;
    let failed = runtime.host::<panics::Sum>().execute("it", panics::Event::Added(1)).await;
    let Err(ExecuteError::Failed(Failure::Quarantined(why))) = failed else { panic!() };
    assert!(why.to_string().contains("no such number"), "{why}");
    runtime.host::<panics::Sum>().execute("new", panics::Event::Added(1)).await.unwrap();
}

#[tokio::test]
async fn events_of_a_newer_release_are_reported_too() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let event = forgetful::Event::Added("new".to_owned());
    let sums = runtime.host_with::<forgetful::Sum>(Hosting::default().without_snapshots());
    sums.execute("it", event).await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    let told = told::<first::Sum>(&contents).await;
    let event_type = "Added".to_owned();
    assert_eq!(told.error, CodecError::MissingUpcaster { event_type, stored: 2, current: 1 });
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Projection<forgetful::Sum> for Count {
    fn project(&mut self, _: &Envelope<forgetful::Sum>) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn followers_report_events_they_cannot_read() {
    let (runtime, _) = open_on(&stored().await).await;
    let once = Retry::default().attempts(1);
    let told = "stored as `Added` with schema version 1: `Added` has schema version 2";
    let handler = |_: Envelope<forgetful::Sum>| async { Ok::<(), BoxError>(()) };
    let letters = runtime.subscribe("letters").on(handler).retry(once.clone());
    let letters = letters.start().await.unwrap();
    letters.wait_for_within(Position::new(3), Duration::from_secs(60)).await.unwrap();
    let parked = letters.parked().await;
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|it| it.error.contains(told)), "{}", parked[0].error);
    let count = runtime.projection::<Count>("count").on::<forgetful::Sum>().retry(once);
    let count = count.start().await.unwrap();
    eventually(|| matches!(count.status(), FollowerStatus::Halted { .. })).await;
    let FollowerStatus::Halted { position, why } = count.status() else { panic!() };
    assert_eq!(position, Position::new(1));
    assert!(why.contains(told) && why.contains("sum/other"), "{why}");
}
