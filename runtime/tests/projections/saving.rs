use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actuarius::persistence::memory::{self, Contents};
use actuarius::persistence::views::Views;
use actuarius::{FollowerStatus, Position, Runtime, StartError};

use crate::common::{Ledger, eventually};
use crate::views::{Bell, Entries, add, entries, expected};

/// Starts again on what the one before has left.
async fn open(contents: &Arc<Contents>, views: &Views) -> Runtime {
    let store = memory::reopen(contents);
    Runtime::builder().views(views.clone()).on_store(store).await.unwrap()
}

/// A store with a view of its first ten events, shut down in order.
async fn shut_down_after_ten() -> (Arc<Contents>, Views) {
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
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    // A view that follows something else shows none of the old events, unless they were saved.
    let view = runtime.projection::<Entries>("entries").on::<Bell>().start().await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(10));
    assert_eq!(view.position(), Position::new(10));
}

#[tokio::test]
async fn a_view_whose_process_was_killed_replays_what_was_not_saved() {
    let (contents, views) = shut_down_after_ten().await;
    let killed = open(&contents, &views).await;
    let view = entries(&killed).await;
    add(&killed, 10..20).await;
    view.wait_for(killed.head()).await.unwrap();
    view.stop().await;
    drop((view, killed));
    let runtime = open(&contents, &views).await;
    let view = entries(&runtime).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(20));
}

#[tokio::test]
async fn another_version_is_built_anew() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().version(2);
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), Entries::default());
}

#[tokio::test]
async fn an_older_version_that_is_still_readable_serves_until_the_new_one_has_caught_up() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().version(2).also_reads(1);
    let view = view.start().await.unwrap();
    let seen = view.read_at(|entries, position| (entries.positions.len(), position));
    // Either still the old one, whole, or already the new one, whole.
    assert!([(10, Position::new(10)), (0, Position::new(10))].contains(&seen), "{seen:?}");
    eventually(|| view.read(|entries| entries.positions.is_empty())).await;
    assert_eq!(view.position(), Position::new(10));
}

#[tokio::test]
async fn from_scratch_forgets_what_was_saved() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().from_scratch();
    let view = view.start().await.unwrap();
    assert_eq!(view.read(Clone::clone), Entries::default());
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

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
