//! An aggregate whose state cannot be recovered is quarantined with a reason, and no other one is
//! affected.

use std::sync::Arc;

use actuarius::error::{Quarantine, QuarantineReason};
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Batch, NewSnapshot};
use actuarius::{Aggregate, Aggregates, Failure, Position, Runtime, Timestamp, Version};

use super::tally::{Picky, Renamed, Tally, look, open, stream, written};

/// Stores a snapshot of "a" that claims to be of this version and position.
fn forge(contents: &Arc<Contents>, version: u64, position: u64, state_version: u32) {
    let snapshot = NewSnapshot {
        stream: stream("a"),
        version: Version::new(version),
        position: Position::new(position),
        as_of: Position::new(position),
        state_version,
        time: Timestamp::default(),
        payload: vec![1, 1, 0, 0, 0, 0, 0].into(),
        keep: 9,
        keep_since: None,
    };
    let batch = Batch { snapshots: vec![snapshot], ..Batch::default() };
    memory::reopen(contents).writer.commit(&batch).unwrap();
}

/// Asserts that "a" is quarantined with the same reason each time, and that "b" is not affected.
async fn quarantine<A: Aggregate>(runtime: &Runtime, hosted: &Aggregates<A>) -> Arc<Quarantine> {
    let Err(Failure::Quarantined(why)) = hosted.query("a", |_| ()).await else {
        panic!("it is not quarantined");
    };
    let Err(Failure::Quarantined(again)) = hosted.query("a", |_| ()).await else {
        panic!("it was released");
    };
    assert_eq!((why.aggregate, &*why.id), ("tally", "a"));
    assert_eq!(why, again);
    assert_eq!(runtime.health().quarantined, std::slice::from_ref(&why));
    why
}

#[tokio::test]
async fn a_snapshot_newer_than_the_log_quarantines_the_aggregate() {
    let contents = written().await;
    forge(&contents, 8, 8, Tally::STATE_VERSION);
    let (runtime, tallies, _) = open::<Tally>(&contents).await;
    let why = quarantine(&runtime, &tallies).await;
    assert!(matches!(why.reason, QuarantineReason::SnapshotAhead(_)), "{why}");
    assert_eq!(why.version, Version::new(8));
    assert_eq!(tallies.query("b", |it| it.sum).await.unwrap(), 1);
}

/// The snapshot includes an event that the log does not have, although the log is long enough.
#[tokio::test]
async fn a_snapshot_of_an_event_that_is_not_in_the_log_quarantines_the_aggregate() {
    let contents = written().await;
    forge(&contents, 6, 6, Tally::STATE_VERSION);
    let (runtime, tallies, _) = open::<Tally>(&contents).await;
    let why = quarantine(&runtime, &tallies).await;
    assert!(matches!(why.reason, QuarantineReason::SnapshotAhead(_)), "{why}");
}

/// A snapshot with an older state version was skipped before its position was checked, and with it
/// the only evidence of a loss.
#[tokio::test]
async fn a_snapshot_newer_than_the_log_is_noticed_whatever_its_state_version() {
    let contents = written().await;
    forge(&contents, 8, 8, 77);
    let (runtime, tallies, _) = open::<Tally>(&contents).await;
    let why = quarantine(&runtime, &tallies).await;
    assert!(matches!(why.reason, QuarantineReason::SnapshotAhead(_)), "{why}");
}

#[tokio::test]
async fn a_damaged_event_quarantines_its_aggregate_and_no_other() {
    let contents = written().await;
    let (runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.damage_events(&stream("a"));
    let why = quarantine(&runtime, &tallies).await;
    assert!(matches!(why.reason, QuarantineReason::Damaged(_)), "{why}");
    assert!(why.position.is_some(), "it names the position");
    let error = tallies.execute("a", 6).await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Quarantined(_))));
    let events = tallies.events("a", Version::NONE).await;
    assert!(
        matches!(events, Err(Failure::Unreadable(_))),
        "damage is not taken for a missing event"
    );
    tallies.execute("b", 1).await.unwrap();
    assert_eq!(tallies.query("b", |it| it.sum).await.unwrap(), 2);
}

#[tokio::test]
async fn a_repaired_aggregate_can_be_released() {
    let contents = written().await;
    let (runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.damage_events(&stream("a"));
    quarantine(&runtime, &tallies).await;
    faults.clear();
    assert!(tallies.release("a").unwrap());
    assert_eq!(look(&tallies).await, (15, 1));
    assert!(runtime.health().is_good());
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_named_in_the_reason() {
    let contents = written().await;
    let (runtime, renamed, _) = open::<Renamed>(&contents).await;
    let why = quarantine(&runtime, &renamed).await;
    assert_eq!((why.version, why.position), (Version::new(5), Some(Position::new(5))));
    let QuarantineReason::Undecodable { event_type, .. } = &why.reason else {
        panic!("{why}");
    };
    assert_eq!(event_type, "Added");
}

/// A panic on replay repeats with every replay, so there is one attempt and no loop.
#[tokio::test]
async fn an_apply_that_panics_on_replay_is_tried_once() {
    let contents = written().await;
    let (runtime, picky, faults) = open::<Picky>(&contents).await;
    let why = quarantine(&runtime, &picky).await;
    assert_eq!((why.version, why.position), (Version::new(3), Some(Position::new(3))));
    assert!(
        matches!(&why.reason, QuarantineReason::ApplyPanicked(text) if text == "three is too much")
    );
    let reads = faults.counts().reads;
    for _ in 0..10 {
        picky.query("a", |_| ()).await.unwrap_err();
    }
    assert_eq!(faults.counts().reads, reads);
    assert_eq!(picky.query("b", |it| it.sum).await.unwrap(), 1);
}
