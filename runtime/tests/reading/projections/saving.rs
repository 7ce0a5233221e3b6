use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use actuarius::persistence::memory::{self, Contents};
use actuarius::persistence::views::{ViewError, Views};
use actuarius::{Codec, FollowerStatus, Runtime, StartError};

use super::log::Log;
use super::told::{self, LONG, caught_up, copy, levers, told};
use super::views::{Entries, add, entries, expected};
use crate::common::{Ledger, eventually};

/// Starts again on what the one before has left.
pub(crate) async fn open(contents: &Arc<Contents>, views: &Views) -> Runtime {
    let store = memory::reopen(contents);
    Runtime::builder().views(views.clone()).on_store(store).await.unwrap()
}

/// A store with a view of its first ten events, shut down in order.
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
async fn a_view_comes_back_from_its_saved_state_without_replaying_history() {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let runtime = open(&contents, &views).await;
    told::add(&runtime, 0..10).await;
    drop(caught_up::<10>(&runtime).await);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = open(&contents, &views).await;
    told::add(&runtime, 10..12).await;
    let view = caught_up::<10>(&runtime).await;
    assert_eq!(view.read(|told| (told.is_whole(12), told.here)), (true, 2));
}

#[tokio::test]
async fn a_view_whose_process_was_killed_replays_what_was_not_saved() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let (saved, killed) = (directory.path().join("saved"), directory.path().join("killed"));
    let runtime = open(&contents, &Views::on_disk(&saved)).await;
    told::add(&runtime, 0..10).await;
    // It is saved when it is stopped.
    caught_up::<11>(&runtime).await.stop().await;
    let view = told_when_free::<11>(&runtime).await;
    told::add(&runtime, 10..20).await;
    view.wait_for(runtime.head()).await.unwrap();
    copy(&saved, &killed);
    let runtime = open(&contents, &Views::on_disk(&killed)).await;
    let view = caught_up::<11>(&runtime).await;
    assert_eq!(view.read(|told| (told.is_whole(20), told.here)), (true, 10));
}

/// It was saved when events came, and not when none came any more.
#[tokio::test]
async fn a_view_is_saved_when_it_is_time_though_nothing_happens_any_more() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let (saved, killed) = (directory.path().join("saved"), directory.path().join("killed"));
    let runtime = open(&contents, &Views::on_disk(&saved)).await;
    let soon = Duration::from_millis(300);
    let view = told::<12>(&runtime).save_every(soon).start().await.unwrap();
    told::add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    eventually(|| saved.join("told/current").exists()).await;
    copy(&saved, &killed);
    let runtime = open(&contents, &Views::on_disk(&killed)).await;
    let view = caught_up::<12>(&runtime).await;
    assert!(view.read(|told| told.is_whole(10)));
}

/// A save that failed counted as one, so that it was not tried again before the next event.
#[tokio::test]
async fn a_view_that_could_not_be_saved_is_saved_later() {
    let (contents, directory) = (Arc::default(), tempfile::tempdir().unwrap());
    let runtime = open(&contents, &Views::on_disk(directory.path())).await;
    let levers = levers(13);
    levers.cannot_be_saved.store(true, SeqCst);
    let view = told::<13>(&runtime).save_every(Duration::ZERO).start().await.unwrap();
    told::add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    levers.cannot_be_saved.store(false, SeqCst);
    eventually(|| directory.path().join("told/current").exists()).await;
}

/// It was thrown away without a word.
#[tokio::test]
async fn a_saved_state_that_does_not_decode_is_replayed_and_the_log_tells() {
    let log = Log::of_this_process();
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = runtime.projection::<Entries>("undecodable").on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    view.stop().await;
    drop(view);
    // The same types, another shape.
    let view = runtime.projection::<told::Told<14>>("undecodable").on::<Ledger>();
    let view = view.codec(Codec::Json).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|told| told.is_whole(10)));
    let tells = |line: &str| line.contains("undecodable") && line.contains("is no use");
    assert!(log.text().lines().any(tells));
}

#[tokio::test]
async fn a_view_of_another_store_is_not_taken_for_one_of_this() {
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
    // The same store as it was before.
    let runtime = open(&backup).await.unwrap();
    let start = || runtime.projection::<Entries>("entries").on::<Ledger>();
    let error = start().start().await.err().expect("the log is shorter");
    assert!(matches!(error, StartError::Ahead { .. }), "{error}");
    let view = start().from_scratch().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(4));
}

/// The view, started as soon as the one before it has let go of its files.
async fn told_when_free<const TEST: usize>(
    runtime: &Runtime,
) -> actuarius::InMemory<told::Told<TEST>> {
    loop {
        match told::<TEST>(runtime).start().await {
            Ok(view) => return view,
            Err(StartError::View(ViewError::InUse { .. })) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}
