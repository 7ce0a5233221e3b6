//! Saved states of views in memory: when they are saved, and when they are used at the next start.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use actuarius::error::StartError;
use actuarius::health::FollowerStatus;
use actuarius::store::memory::{self, Contents};
use actuarius::store::sled;
use actuarius::store::views::{ViewError, Views};
use actuarius::{Codec, Runtime};

use super::log::Log;
use super::scripted::{self, LONG, caught_up, copy, levers, scripted};
use super::views::{Entries, add, entries, expected};
use crate::common::{Ledger, eventually};

/// Opens a runtime on the files of the previous one.
pub(crate) async fn open(contents: &Arc<Contents>, views: &Views) -> Runtime {
    let store = memory::reopen(contents);
    Runtime::builder().views(views.clone()).on_store(store).await.unwrap()
}

/// Writes a store with a view of its first ten events, and shuts it down cleanly.
pub(crate) async fn shut_down_after_ten() -> (Arc<Contents>, Views) {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let runtime = open(&contents, &views).await;
    let view = entries(&runtime).await;
    add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    assert_eq!(view.status(), FollowerStatus::Stopped);
    (contents, views)
}

#[tokio::test]
async fn a_view_is_loaded_from_its_saved_state_without_replaying_history() {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let runtime = open(&contents, &views).await;
    scripted::add(&runtime, 0..10).await;
    drop(caught_up::<10>(&runtime).await);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = open(&contents, &views).await;
    scripted::add(&runtime, 10..12).await;
    let view = caught_up::<10>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(12), scripted.here)), (true, 2));
}

#[tokio::test]
async fn a_view_of_a_killed_process_replays_events_that_were_not_saved() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let (saved, killed) = (directory.path().join("saved"), directory.path().join("killed"));
    let runtime = open(&contents, &sled::views(&saved)).await;
    scripted::add(&runtime, 0..10).await;
    // It is saved when it is stopped.
    caught_up::<11>(&runtime).await.stop().await;
    let view = scripted_when_free::<11>(&runtime).await;
    scripted::add(&runtime, 10..20).await;
    view.wait_for(runtime.head()).await.unwrap();
    copy(&saved, &killed);
    let runtime = open(&contents, &sled::views(&killed)).await;
    let view = caught_up::<11>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(20), scripted.here)), (true, 10));
}

/// It was saved when events came, but not once no more events came.
#[tokio::test]
async fn a_view_is_saved_in_time_although_no_more_events_come() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let (saved, killed) = (directory.path().join("saved"), directory.path().join("killed"));
    let runtime = open(&contents, &sled::views(&saved)).await;
    let soon = Duration::from_millis(300);
    let view = scripted::<12>(&runtime).save_every(soon).start().await.unwrap();
    scripted::add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    eventually(|| saved.join("scripted/current").exists()).await;
    copy(&saved, &killed);
    let runtime = open(&contents, &sled::views(&killed)).await;
    let view = caught_up::<12>(&runtime).await;
    assert!(view.read(|scripted| scripted.is_whole(10)));
}

/// A failed save counted as a save, so that it was not tried again before the next event.
#[tokio::test]
async fn a_view_that_could_not_be_saved_is_saved_later() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let runtime = open(&contents, &sled::views(directory.path())).await;
    let levers = levers(13);
    levers.cannot_be_saved.store(true, SeqCst);
    let view = scripted::<13>(&runtime).save_every(Duration::ZERO).start().await.unwrap();
    scripted::add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    levers.cannot_be_saved.store(false, SeqCst);
    eventually(|| directory.path().join("scripted/current").exists()).await;
}

/// The state was silently discarded.
#[tokio::test]
async fn a_saved_state_that_does_not_decode_is_replayed_and_logged() {
    let log = Log::of_this_process();
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = runtime.projection::<Entries>("undecodable").on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    view.stop().await;
    drop(view);
    // The same types, another shape.
    let view = runtime.projection::<scripted::Scripted<14>>("undecodable").on::<Ledger>();
    let view = view.codec(Codec::Json).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(10)));
    let tells = |line: &str| line.contains("undecodable") && line.contains("is not used");
    assert!(log.text().lines().any(tells));
}

#[tokio::test]
async fn a_saved_view_of_another_store_is_not_used() {
    let (_, views) = shut_down_after_ten().await;
    let runtime = open(&Arc::default(), &views).await;
    let view = entries(&runtime).await;
    assert_eq!(view.read(Clone::clone), Entries::default());
}

#[tokio::test]
async fn a_view_that_is_ahead_of_the_log_does_not_start() {
    let (directory, views) = (tempfile::tempdir().unwrap(), Views::in_memory());
    let (store, backup) = (directory.path().join("store"), directory.path().join("backup"));
    let open = |path| Runtime::builder().views(views.clone()).open(path);
    let runtime = open(&store).await.unwrap();
    add(&runtime, 0..4).await;
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    copy(&store, &backup);
    let runtime = open(&store).await.unwrap();
    let view = entries(&runtime).await;
    add(&runtime, 4..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    drop(view);
    // The same store in an older state.
    let runtime = open(&backup).await.unwrap();
    let start = || runtime.projection::<Entries>("entries").on::<Ledger>();
    let error = start().start().await.err().expect("the log is shorter");
    assert!(matches!(error, StartError::Ahead { .. }), "{error}");
    let view = start().from_scratch().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(4));
}

/// Starts the view as soon as the previous one has released its files.
async fn scripted_when_free<const TEST: usize>(
    runtime: &Runtime,
) -> actuarius::projection::InMemory<scripted::Scripted<TEST>> {
    loop {
        match scripted::<TEST>(runtime).start().await {
            Ok(view) => return view,
            Err(StartError::View(ViewError::InUse { .. })) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}
