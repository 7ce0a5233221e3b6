//! A rebuild that comes to nothing leaves the view that is read as it was, and lets it go on.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use actuarius::persistence::views::Views;
use actuarius::{FollowerStatus, Position, RebuildError, Runtime};

use super::told::{Told, add, caught_up, levers};
use crate::common::eventually;

async fn on_disk(views: &Path) -> Runtime {
    let store = actuarius::persistence::memory::open();
    Runtime::builder().views(Views::on_disk(views)).on_store(store).await.unwrap()
}

/// Whether the view goes on, and can be rebuilt, after a rebuild of it has failed.
async fn check<const TEST: usize>(
    runtime: &Runtime,
    view: &actuarius::InMemory<Told<TEST>>,
    events: i64,
) {
    assert_eq!((view.building(), view.status()), (None, FollowerStatus::Live));
    add(runtime, events..events + 5).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|told| told.is_whole(runtime.head().get())));
    view.rebuild().await.unwrap();
    assert!(view.read(|told| told.is_whole(runtime.head().get())));
}

/// The old view was given up before the new one was saved: it stood still for ever, and whoever
/// waited for the rebuild waited for ever.
#[tokio::test]
async fn when_the_new_view_cannot_be_saved_the_rebuild_says_so_and_the_old_view_goes_on() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<0>(&runtime).await;
    levers(0).cannot_be_saved.store(true, SeqCst);
    let failed = view.rebuild().await.unwrap_err().to_string();
    assert!(failed.contains("it was told so"), "{failed}");
    levers(0).cannot_be_saved.store(false, SeqCst);
    check(&runtime, &view, 10).await;
}

#[tokio::test]
async fn when_the_new_view_cannot_be_made_current_the_old_one_goes_on_and_no_file_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = on_disk(directory.path()).await;
    add(&runtime, 0..10).await;
    let view = caught_up::<1>(&runtime).await;
    view.rebuild().await.unwrap();
    // A directory is in the way of the file.
    let aside = directory.path().join("told/current.writing");
    std::fs::create_dir(&aside).unwrap();
    let failed = view.rebuild().await.unwrap_err().to_string();
    assert!(failed.contains("current.writing"), "{failed}");
    let files = std::fs::read_dir(directory.path().join("told")).unwrap();
    let generations = files.filter(|entry| entry.as_ref().unwrap().path().join("state").exists());
    assert_eq!(generations.count(), 1, "of the view that is read");
    std::fs::remove_dir(&aside).unwrap();
    check(&runtime, &view, 10).await;
    drop(view);
    assert!(runtime.shutdown(super::told::LONG).await.is_clean());
}

/// The last events came while the new view was being saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_new_view_cannot_take_one_of_the_last_events_the_old_one_goes_on() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<2>(&runtime).await;
    let levers = levers(2);
    levers.waits_when_saved.store(true, SeqCst);
    let rebuild = view.rebuild();
    eventually(|| levers.gate.is_waited_at()).await;
    add(&runtime, 10..15).await;
    // The old view is not held up by the new one.
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
