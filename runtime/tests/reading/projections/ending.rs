//! Stopping and shutting down a projection while it is rebuilt.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{InMemory, Rebuild, RebuildError};
use actuarius::store::memory;
use actuarius::store::views::Views;
use actuarius::subscription::Retry;
use actuarius::{Position, Runtime};

use super::scripted::{LONG, Scripted, add, caught_up, levers, scripted};
use crate::common::eventually;

/// A view of ten events. The fifth one cannot be projected a second time.
async fn stuck<const TEST: usize>(runtime: &Runtime) -> InMemory<Scripted<TEST>> {
    add(runtime, 0..10).await;
    let in_an_hour = Retry::default().waits(LONG, LONG);
    let view = scripted::<TEST>(runtime).retry(in_an_hour).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    levers(TEST).panics_at.store(5, SeqCst);
    view
}

/// Starts a rebuild, and waits until it reaches the event that it cannot project.
async fn stuck_rebuild<const TEST: usize>(view: &InMemory<Scripted<TEST>>) -> Rebuild {
    let rebuild = view.rebuild();
    eventually(|| levers(TEST).panicked.load(SeqCst) > 0).await;
    rebuild
}

/// Awaiting a rebuild consumed it, so that only its initial progress could be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_progress_of_a_rebuild_can_be_read_while_it_is_awaited() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<3>(&runtime).await;
    let levers = levers(3);
    // One event takes longer than a slice may.
    levers.slow_from.store(1, SeqCst);
    levers.waits_at.store(5, SeqCst);
    let rebuild = view.rebuild();
    let awaited = tokio::spawn({
        let rebuild = rebuild.clone();
        async move { rebuild.await }
    });
    eventually(|| levers.gate.is_waited_at()).await;
    assert_eq!(rebuild.position(), Position::new(4));
    assert_eq!(view.building(), Some(Position::new(4)));
    assert_eq!(view.position(), Position::new(10), "of the view that is read");
    levers.gate.open();
    assert_eq!(awaited.await.unwrap(), Ok(()));
    assert_eq!(rebuild.clone().await, Ok(()));
    assert_eq!((view.building(), rebuild.position()), (None, Position::new(10)));
}

#[tokio::test]
async fn a_stop_ends_a_rebuild_and_keeps_the_view() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = stuck::<4>(&runtime).await;
    let rebuild = stuck_rebuild(&view).await;
    view.stop().await;
    assert_eq!(rebuild.await, Err(RebuildError::Stopped));
    drop(view);
    let view = caught_up::<4>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(10), scripted.here)), (true, 0));
}

#[tokio::test]
async fn a_shutdown_while_a_view_is_rebuilt_is_clean_and_keeps_the_view() {
    let (contents, views) = (std::sync::Arc::default(), Views::in_memory());
    let open = || Runtime::builder().views(views.clone()).on_store(memory::reopen(&contents));
    let runtime = open().await.unwrap();
    let view = stuck::<5>(&runtime).await;
    let rebuild = stuck_rebuild(&view).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    assert_eq!(rebuild.await, Err(RebuildError::Stopped));
    assert_eq!(view.status(), FollowerStatus::Stopped);
    drop((view, runtime));
    let runtime = open().await.unwrap();
    let view = caught_up::<5>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(10), scripted.here)), (true, 0));
}

/// The rebuild has projected everything, and its view is being saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_a_rebuild_that_is_being_saved_and_discards_it() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..10).await;
    let view = caught_up::<6>(&runtime).await;
    let levers = levers(6);
    levers.waits_when_saved.store(true, SeqCst);
    let rebuild = view.rebuild();
    eventually(|| levers.gate.is_waited_at()).await;
    let shutdown = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.shutdown(Duration::from_secs(60)).await }
    });
    levers.waits_when_saved.store(false, SeqCst);
    levers.gate.open();
    assert!(shutdown.await.unwrap().is_clean());
    // Either result is correct.
    assert!(matches!(rebuild.await, Ok(()) | Err(RebuildError::Stopped)));
    assert!(view.read(|scripted| scripted.is_whole(10)));
}
