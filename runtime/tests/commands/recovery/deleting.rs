//! Deletions of aggregates that are quarantined because their events yield no state.

use std::sync::Arc;
use std::time::Duration;

use actuarius::error::QuarantineReason;
use actuarius::operations::Reuse;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Append, Batch, Deletion, Gone, NewCommit, PageLimit, Removal};
use actuarius::{
    Aggregate, Aggregates, CommandId, Failure, Metadata, Position, Runtime, Timestamp, Version,
};

use super::tally::{Picky, Renamed, Tally, open, stream, written};

/// Removes the first events of "a" without ending its stream, as a restore to before the deletion does.
fn remove(contents: &Arc<Contents>) {
    let mut store = memory::reopen(contents);
    let page = store.reader.read_log(Position::NONE, PageLimit::default()).unwrap();
    let removals = page.commits[..3].iter().map(|it| Removal::of(it, Gone::Removed)).collect();
    let snapshots_dropped = vec![stream("a")];
    store.writer.commit(&Batch { removals, snapshots_dropped, ..Batch::default() }).unwrap();
}

/// Returns why "a" is quarantined.
async fn reason<A: Aggregate>(hosted: &Aggregates<A>) -> QuarantineReason {
    match hosted.query("a", |_| ()).await {
        Err(Failure::Quarantined(why)) => why.reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// Deletes "a" while it is quarantined, and uses its id again.
async fn delete<A: Aggregate<Command = i64>>(runtime: &Runtime, hosted: &Aggregates<A>) {
    let deleted = hosted.delete("a", Reuse::Allowed).await.unwrap();
    assert_eq!(deleted.version, Version::new(6));
    assert!(runtime.health().quarantined.is_empty());
    assert!(!hosted.exists("a").await.unwrap());
    let receipt = hosted.execute("a", 7).await.unwrap();
    assert_eq!(receipt.version, Version::new(7));
    hosted.passivate("a").unwrap();
    hosted.query("a", |_| ()).await.unwrap();
    let events = hosted.events("a", Version::NONE).await.unwrap();
    assert_eq!(events.len(), 1, "only the new one is left");
}

/// An operator restored a store to before the deletion of a customer. The customer was quarantined, and could not be
/// deleted again: a deletion was refused like any other command, and the id was lost.
#[tokio::test]
async fn an_aggregate_whose_events_were_removed_can_be_deleted() {
    let contents = written().await;
    remove(&contents);
    let (runtime, tallies, _) = open::<Tally>(&contents).await;
    assert_eq!(reason(&tallies).await, QuarantineReason::Removed);
    delete(&runtime, &tallies).await;
}

/// A customer asked for erasure, and a release could not decode one of their events. Deletion is the way out, and needs
/// no state.
#[tokio::test]
async fn an_aggregate_that_does_not_decode_can_be_deleted() {
    let contents = written().await;
    let (runtime, renamed, _) = open::<Renamed>(&contents).await;
    assert!(matches!(reason(&renamed).await, QuarantineReason::Undecodable { .. }));
    delete(&runtime, &renamed).await;
}

#[tokio::test]
async fn an_aggregate_whose_apply_panics_can_be_deleted_permanently() {
    let contents = written().await;
    let (runtime, picky, _) = open::<Picky>(&contents).await;
    assert!(matches!(reason(&picky).await, QuarantineReason::ApplyPanicked(_)));
    let deleted = picky.delete("a", Reuse::Never).await.unwrap();
    assert_eq!((deleted.version, deleted.commits), (Version::new(6), 5));
    let refused = picky.execute("a", 1).await.unwrap_err();
    assert!(matches!(refused.failure(), Some(Failure::Deleted)), "{refused}");
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    drop((runtime, picky));
    let (_runtime, picky, _) = open::<Picky>(&contents).await;
    assert!(!picky.exists("a").await.unwrap());
    assert_eq!(picky.query("b", |it| it.sum).await.unwrap(), 1);
}

/// What is damaged cannot be removed, so its stream is not ended either.
#[tokio::test]
async fn a_damaged_aggregate_is_not_deleted() {
    let contents = written().await;
    let (runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.damage_events(&stream("a"));
    let head = runtime.head();
    assert!(matches!(reason(&tallies).await, QuarantineReason::Damaged(_)));
    let refused = tallies.delete("a", Reuse::Allowed).without_waiting().await.unwrap_err();
    assert!(matches!(refused, Failure::Quarantined(_)), "{refused}");
    assert_eq!((runtime.head(), runtime.health().quarantined.len()), (head, 1));
    faults.clear();
    assert!(tallies.release("a").unwrap());
    assert_eq!(tallies.query("a", |it| it.sum).await.unwrap(), 15);
}

/// While it is deleted, no other command is decided on the state that nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beside_the_deletion_are_refused_or_follow_it() {
    let contents = written().await;
    let (runtime, renamed, _) = open::<Renamed>(&contents).await;
    let requests: Vec<_> = (0..64)
        .map(|number| {
            let renamed = renamed.clone();
            tokio::spawn(async move {
                if number == 32 {
                    renamed.delete("a", Reuse::Allowed).await.unwrap();
                }
                match renamed.execute("a", 1).await {
                    Ok(receipt) => receipt.version > Version::new(6),
                    Err(error) => matches!(error.failure(), Some(Failure::Quarantined(_))),
                }
            })
        })
        .collect();
    for request in requests {
        assert!(request.await.unwrap());
    }
    assert!(renamed.query("a", |it| it.sum).await.unwrap() >= 1);
    assert!(runtime.health().quarantined.is_empty());
}

/// A deletion was interrupted between the end of the stream and the removal of the events. The events that do not decode
/// quarantined the aggregate, although they do not count any more.
#[tokio::test]
async fn events_before_the_end_of_the_stream_need_not_decode() {
    let contents = written().await;
    let metadata = Metadata::default();
    let mut append = Append::new(stream("a"), Version::new(5));
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: CommandId::from("end"),
        named_by_caller: false,
        metadata: &metadata,
    };
    append.push_deletion(commit, Deletion { reusable: true }).unwrap();
    let batch = Batch { appends: vec![append], ..Batch::default() };
    memory::reopen(&contents).writer.commit(&batch).unwrap();
    let (runtime, renamed, _) = open::<Renamed>(&contents).await;
    assert_eq!(renamed.query("a", |it| it.sum).await.unwrap(), 0);
    assert_eq!(renamed.execute("a", 7).await.unwrap().version, Version::new(7));
    assert!(runtime.health().is_good());
}
