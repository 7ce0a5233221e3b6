//! Rebuilding a projection into SQLite next to the one that is read.

use std::sync::Arc;
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{InDatabase, Rebuild, RebuildError};
use actuarius::subscription::Retry;
use actuarius::{Position, Runtime};
use rusqlite::Connection;

use super::sums::{Levers, Mishap, Sums, add, at_once, check, open};
use crate::common::{Ledger, eventually};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_rebuild_takes_over_with_the_same_result_while_commands_run() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..100).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().retry(at_once(10));
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    // The rebuild fails once on the way.
    levers.mishaps.lock().unwrap().extend([Mishap::StoredAndRefused]);
    // The wrong sums of the old database are gone afterwards.
    let spoil = Connection::open(directory.path().join("sums.sqlite")).unwrap();
    spoil.execute("UPDATE live_sum SET total = 0", []).unwrap();
    let beside = view.rebuild_beside(Sums::open(directory.path(), "next", &levers));
    add(&runtime, 100..120).await;
    beside.await.unwrap();
    add(&runtime, 120..130).await;
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 130);
}

/// Starts a view of twenty events, and returns the path of its database.
async fn twenty(
    runtime: &Runtime,
    levers: &Levers,
    retry: Retry,
) -> (InDatabase<Sums>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    add(runtime, 0..20).await;
    let sums = Sums::in_directory(directory.path(), levers);
    let view = runtime.database("sums", sums).on::<Ledger>().retry(retry).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    (view, directory)
}

/// The old database was closed before the new one had taken over.
#[tokio::test]
async fn a_failed_takeover_is_reported_and_the_old_database_continues() {
    let (runtime, levers) = (Runtime::in_memory().await.unwrap(), Levers::default());
    let (view, directory) = twenty(&runtime, &levers, at_once(2)).await;
    levers.takeovers.lock().unwrap().extend([Mishap::RefusedAtOnce; 2]);
    let beside = || Sums::open(directory.path(), "next", &levers);
    let failed = view.rebuild_beside(beside()).await.unwrap_err().to_string();
    assert!(failed.contains("not now"), "{failed}");
    assert_eq!((view.status(), view.building()), (FollowerStatus::Live, None));
    add(&runtime, 20..30).await;
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 30);
    view.rebuild_beside(beside()).await.unwrap();
    add(&runtime, 30..40).await;
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 40);
}

/// After that, the files of the old database are those of the new one, so its position has to be
/// read again.
#[tokio::test]
async fn a_takeover_that_succeeds_but_reports_an_error_counts_no_event_twice() {
    let (runtime, levers) = (Runtime::in_memory().await.unwrap(), Levers::default());
    let (view, directory) = twenty(&runtime, &levers, at_once(2)).await;
    levers.takeovers.lock().unwrap().push_back(Mishap::StoredAndRefused);
    // This way the new one is ahead of the old one.
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    add(&runtime, 20..30).await;
    let rebuild = view.rebuild_beside(Sums::open(directory.path(), "next", &levers));
    rebuild.await.unwrap_err();
    view.resume();
    add(&runtime, 30..40).await;
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 40);
}

/// Starts a rebuild that refuses its first batch, and tries again in an hour.
async fn stuck_rebuild(view: &InDatabase<Sums>, levers: &Levers) -> Rebuild {
    levers.mishaps.lock().unwrap().push_back(Mishap::RefusedAtOnce);
    let directory = tempfile::tempdir().unwrap();
    let rebuild = view.rebuild_beside(Sums::open(directory.path(), "next", levers));
    eventually(|| levers.mishaps.lock().unwrap().is_empty()).await;
    rebuild
}

#[tokio::test]
async fn a_stop_ends_a_rebuild_and_closes_both_databases_on_threads_that_may_block() {
    let (runtime, levers) = (Runtime::in_memory().await.unwrap(), Levers::default());
    let (view, directory) = twenty(&runtime, &levers, Retry::default().waits(LONG, LONG)).await;
    let rebuild = stuck_rebuild(&view, &levers).await;
    assert_eq!(view.building(), Some(Position::NONE));
    view.stop().await;
    assert_eq!(rebuild.await, Err(RebuildError::Stopped));
    let here = std::thread::current().id();
    let closed_on = levers.closed_on.lock().unwrap().clone();
    assert!(closed_on.len() == 2 && !closed_on.contains(&here), "{closed_on:?}");
    check(directory.path(), 20);
}

#[tokio::test]
async fn a_shutdown_during_a_rebuild_is_clean_and_the_old_database_continues_later() {
    let (contents, levers) = (Arc::default(), Levers::default());
    let runtime = open(&contents).await;
    let (view, directory) = twenty(&runtime, &levers, Retry::default().waits(LONG, LONG)).await;
    let rebuild = stuck_rebuild(&view, &levers).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    assert_eq!(rebuild.await, Err(RebuildError::Stopped));
    let runtime = open(&contents).await;
    add(&runtime, 20..30).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 30);
}

#[tokio::test]
async fn the_old_database_is_closed_on_a_thread_that_may_block_before_the_rebuild_is_done() {
    let (runtime, levers) = (Runtime::in_memory().await.unwrap(), Levers::default());
    let (view, directory) = twenty(&runtime, &levers, at_once(2)).await;
    view.rebuild_beside(Sums::open(directory.path(), "next", &levers)).await.unwrap();
    let here = std::thread::current().id();
    let closed_on = levers.closed_on.lock().unwrap().clone();
    assert!(closed_on.len() == 1 && !closed_on.contains(&here), "{closed_on:?}");
    // The same holds for a new database that is rejected.
    let stopped = view.clone();
    view.stop().await;
    let refused = stopped.rebuild_beside(Sums::open(directory.path(), "next", &levers)).await;
    assert_eq!(refused, Err(RebuildError::Stopped));
}
