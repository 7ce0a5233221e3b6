//! Histories report what they cannot show, with the version, and quarantine no aggregate.

use std::convert::Infallible;
use std::sync::Arc;

use actuarius::error::Place;
use actuarius::store::fault::Faults;
use actuarius::store::memory::Contents;
use actuarius::{Aggregate, Aggregates, Context, Failure, Hosting, Runtime, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::common::open_on;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Sum(i64);

#[derive(Serialize, Deserialize)]
enum Summed {
    Added(i64),
}

impl Aggregate for Sum {
    const TYPE: &'static str = "sum";
    type Command = i64;
    type Event = Summed;
    type Error = Infallible;

    fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Summed>, Infallible> {
        Ok(vec![Summed::Added(amount)])
    }

    fn apply(&mut self, Summed::Added(amount): &Summed) {
        self.0 += amount;
    }
}

/// A later release that panics at a three, has another state, and cannot decode a five.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Picky(i64);

#[derive(Serialize)]
struct PickyEvent(i64);

#[derive(Deserialize)]
enum Stored {
    Added(i64),
}

impl<'de> Deserialize<'de> for PickyEvent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Stored::deserialize(deserializer)? {
            Stored::Added(5) => Err(serde::de::Error::custom("no fives")),
            Stored::Added(6) => std::panic::resume_unwind(Box::new("a six")),
            Stored::Added(amount) => Ok(Self(amount)),
        }
    }
}

impl Aggregate for Picky {
    const TYPE: &'static str = "sum";
    const STATE_VERSION: u32 = 2;
    type Command = i64;
    type Event = PickyEvent;
    type Error = Infallible;

    fn decide(&self, _: i64, _: &Context) -> Result<Vec<PickyEvent>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, PickyEvent(amount): &PickyEvent) {
        if *amount == 3 {
            std::panic::resume_unwind(Box::new("a three"));
        }
        self.0 += amount;
    }
}

fn hosting() -> Hosting {
    Hosting::default().snapshot_every(2).snapshots_kept(9)
}

/// Writes these amounts to "a", with a snapshot after every second one.
async fn written(amounts: &[i64]) -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let sums = runtime.host_with::<Sum>(hosting());
    for &amount in amounts {
        sums.execute("a", amount).await.unwrap();
    }
    drop(sums);
    assert!(runtime.shutdown(std::time::Duration::from_secs(60)).await.is_clean());
    contents
}

async fn open<A: Aggregate>(contents: &Arc<Contents>) -> (Runtime, Aggregates<A>, Faults) {
    let (runtime, faults) = open_on(contents).await;
    let hosted = runtime.host_with(hosting());
    (runtime, hosted, faults)
}

#[tokio::test]
async fn a_panic_in_apply_is_reported_with_its_version_and_ends_the_history() {
    let contents = written(&[1, 2, 3, 4]).await;
    let (runtime, picky, _) = open::<Picky>(&contents).await;
    assert_eq!(picky.as_of("a", Version::new(2)).await.unwrap().state, Picky(3));
    let failure = picky.as_of("a", Version::new(4)).await.unwrap_err();
    let Failure::Panicked { place: Place::Apply(version), message } = &failure else {
        panic!("{failure}");
    };
    assert_eq!((version.get(), message.as_str()), (3, "a three"));
    let mut history = picky.history("a");
    for sum in [1, 3] {
        assert_eq!(history.next().await.unwrap().unwrap().state, &Picky(sum));
    }
    for _again in 0..2 {
        let failure = history.next().await.map(|_| ()).unwrap_err();
        assert!(
            matches!(failure, Failure::Panicked { place: Place::Apply(at), .. } if at == *version)
        );
    }
    assert!(runtime.health().quarantined.is_empty());
}

#[tokio::test]
async fn an_event_that_does_not_decode_is_reported_with_its_version() {
    // A text of the type's own may quote a value, and is left out. A panic keeps its message.
    for (amount, why) in [(5, "a value is refused"), (6, "a six")] {
        let contents = written(&[1, 2, 4, amount, 7]).await;
        let (_runtime, picky, _) = open::<Picky>(&contents).await;
        let failure = picky.as_of("a", Version::new(5)).await.unwrap_err();
        let Failure::Undecodable(event) = failure else { panic!("{failure}") };
        assert_eq!(event.version.get(), 4);
        assert!(event.error.to_string().contains(why), "{event}");
        let mut history = picky.history("a");
        for sum in [1, 3, 7] {
            assert_eq!(history.next().await.unwrap().unwrap().state, &Picky(sum));
        }
        for _again in 0..2 {
            let failure = history.next().await.map(|_| ()).unwrap_err();
            assert!(matches!(failure, Failure::Undecodable(_)), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_damaged_snapshot_only_costs_time() {
    let contents = written(&[1, 2, 3, 4, 5]).await;
    let (_runtime, sums, faults) = open::<Sum>(&contents).await;
    for damaged in [4, 2] {
        let stream = StreamId::new("sum", "a").unwrap();
        faults.damage_snapshot(&stream, Version::new(damaged));
        let past = sums.as_of("a", Version::new(5)).await.unwrap();
        assert_eq!((past.state, past.version.get()), (Sum(15), 5));
    }
}

#[tokio::test]
async fn a_failed_read_does_not_end_a_history() {
    let contents = written(&[1, 2, 3]).await;
    let (_runtime, sums, faults) = open::<Sum>(&contents).await;
    let (mut history, mut seen) = (sums.history("a"), Vec::new());
    for failing in 1.. {
        faults.fail_read(failing % 2 + 1);
        match history.next().await {
            Ok(Some(step)) => seen.push(step.state.0),
            Ok(None) => break,
            Err(failure) => assert!(matches!(failure, Failure::Unreadable(_)), "{failure}"),
        }
        if seen.len() == 3 {
            break;
        }
    }
    assert_eq!(seen, [1, 3, 6]);
}

#[tokio::test]
async fn an_invalid_id_is_reported() {
    let (_runtime, sums, _) = open::<Sum>(&Arc::default()).await;
    assert!(matches!(sums.as_of("", Version::new(1)).await, Err(Failure::InvalidId(_))));
    let mut history = sums.history("");
    assert!(matches!(history.next().await, Err(Failure::InvalidId(_))));
    let past = sums.as_of("nobody", Version::new(1)).await.unwrap();
    assert_eq!((past.state, past.version, past.time), (Sum(0), Version::NONE, None));
    assert!(sums.history("nobody").next().await.unwrap().is_none());
}
