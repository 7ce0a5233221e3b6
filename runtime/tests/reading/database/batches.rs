//! A database that keeps up receives the events that have gathered in one transaction.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actuarius::{Position, Runtime};

use super::sums::{Levers, Sums, add};
use crate::common::{Ledger, eventually, open_on};

/// Longer than any test takes: what has gathered is taken for another reason.
const LONG: Duration = Duration::from_secs(3_600);

/// Each batch of a database costs a sync. A view that was woken for each group of commits took the disk from the
/// commands.
#[tokio::test]
async fn the_first_event_is_shown_at_once_and_those_that_gather_are_one_batch() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = runtime.database("sums", Sums::in_directory(directory.path(), &levers));
    let sums = sums.on::<Ledger>().batch_time(LONG).start().await.unwrap();
    add(&runtime, 0..1).await;
    eventually(|| sums.position() == Position::new(1)).await;
    add(&runtime, 1..10).await;
    assert_eq!(sums.position(), Position::new(1));
    sums.wait_for(runtime.head()).await.unwrap();
    assert_eq!(*levers.batches.lock().unwrap(), [1, 9]);
}

#[tokio::test]
async fn a_shutdown_takes_what_has_gathered() {
    let (contents, directory) = (Default::default(), tempfile::tempdir().unwrap());
    let levers = Levers::default();
    let (runtime, _) = open_on(&contents).await;
    let sums = runtime.database("sums", Sums::in_directory(directory.path(), &levers));
    let sums = sums.on::<Ledger>().batch_time(LONG).start().await.unwrap();
    add(&runtime, 0..1).await;
    eventually(|| sums.position() == Position::new(1)).await;
    add(&runtime, 1..50).await;
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    assert_eq!(sums.position(), Position::new(50));
}

/// With one place for all views, one that waited for its database would have stopped the others.
#[tokio::test]
async fn a_database_that_does_not_answer_stops_no_other_view() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::builder().concurrent_folds(1).in_memory().await.unwrap();
    levers.gate.is_shut.store(true, Ordering::SeqCst);
    let silent = runtime.database("silent", Sums::open(directory.path(), "silent", &levers));
    let silent = silent.on::<Ledger>().start().await.unwrap();
    add(&runtime, 0..1).await;
    eventually(|| levers.gate.is_waited_at.load(Ordering::SeqCst)).await;
    let other = tempfile::tempdir().unwrap();
    let sums = runtime.database("sums", Sums::in_directory(other.path(), &Levers::default()));
    let sums = sums.on::<Ledger>().start().await.unwrap();
    add(&runtime, 1..10).await;
    eventually(|| sums.position() == Position::new(10)).await;
    assert_eq!(silent.position(), Position::NONE);
    levers.gate.is_shut.store(false, Ordering::SeqCst);
    silent.wait_for(runtime.head()).await.unwrap();
}
