//! A failed rebuild leaves the present view as it is, and the view continues.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use actuarius::health::FollowerStatus;
use actuarius::projection::RebuildError;
use actuarius::store::sled;
use actuarius::{Position, Runtime};

use super::scripted::{Scripted, add, caught_up, levers};
use crate::common::eventually;

async fn on_disk(views: &Path) -> Runtime {
    let store = actuarius::store::memory::open();
    Runtime::builder().views(sled::views(views)).on_store(store).await.unwrap()
}

/// Asserts that the view continues, and can be rebuilt, after a failed rebuild.
async fn check<const TEST: usize>(
    runtime: &Runtime,
    view: &actuarius::projection::InMemory<Scripted<TEST>>,
    events: i64,
) {
    assert_eq!((view.building(), view.status()), (None, FollowerStatus::Live));
    add(runtime, events..events + 5).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(runtime.head().get())));
    view.rebuild().await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(runtime.head().get())));
}

/// The old view was dropped before the new one was saved: it never changed again, and callers that
/// awaited the rebuild never got a result.
#[tokio::test]
async fn when_the_new_view_cannot_be_saved_the_rebuild_fails_and_the_old_view_continues() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<0>(&runtime).await;
    levers(0).cannot_be_saved.store(true, SeqCst);
    let failed = view.rebuild().await.unwrap_err().to_string();
    assert!(failed.contains("scripted failure"), "{failed}");
    levers(0).cannot_be_saved.store(false, SeqCst);
    check(&runtime, &view, 10).await;
}

#[tokio::test]
async fn when_the_new_view_cannot_be_made_current_the_old_one_continues_and_no_file_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = on_disk(directory.path()).await;
    add(&runtime, 0..10).await;
    let view = caught_up::<1>(&runtime).await;
    view.rebuild().await.unwrap();
    // A directory is in the way of the file.
    let aside = directory.path().join("scripted/current.writing");
    std::fs::create_dir(&aside).unwrap();
    let failed = view.rebuild().await.unwrap_err().to_string();
    assert!(failed.contains("current.writing"), "{failed}");
    let files = std::fs::read_dir(directory.path().join("scripted")).unwrap();
    let generations = files.filter(|entry| entry.as_ref().unwrap().path().join("state").exists());
    assert_eq!(generations.count(), 1, "of the view that is read");
    std::fs::remove_dir(&aside).unwrap();
    check(&runtime, &view, 10).await;
    drop(view);
    assert!(runtime.shutdown(super::scripted::LONG).await.is_clean());
}

/// The last events are written while the new view is being saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_new_view_cannot_project_a_late_event_the_old_one_continues() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<2>(&runtime).await;
    let levers = levers(2);
    levers.waits_when_saved.store(true, SeqCst);
    let rebuild = view.rebuild();
    eventually(|| levers.gate.is_waited_at()).await;
    add(&runtime, 10..15).await;
    // The new view does not delay the old one.
    view.wait_for(runtime.head()).await.unwrap();
    levers.panics_at.store(12, SeqCst);
    levers.waits_when_saved.store(false, SeqCst);
    levers.gate.open();
    let failed = rebuild.await.unwrap_err();
    let twelve = Position::new(12);
    assert!(matches!(&failed, RebuildError::Failed { position, .. } if *position == twelve));
    levers.panics_at.store(u64::MAX, SeqCst);
    check(&runtime, &view, 15).await;
}
