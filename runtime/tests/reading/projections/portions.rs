//! However slow a projection is, whatever is asked of it is heard soon, and nobody else waits for it.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;

use actuarius::{FollowerStatus, Runtime};

use super::told::{Told, add, caught_up, levers};
use super::views::Bell;
use crate::common::{Ledger, eventually};

/// A portion was measured by the events before it. Behind many that do not concern the view it had
/// room for thousands, whatever they took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_heard_soon_however_many_quick_events_came_before_the_slow_ones() {
    let runtime = Runtime::in_memory().await.unwrap();
    let bells = runtime.host::<Bell>();
    for _ in 0..2_000 {
        bells.execute("tower", ()).await.unwrap();
    }
    add(&runtime, 0..500).await;
    let levers = levers(7);
    levers.waits_at.store(2_001, SeqCst);
    levers.slow_from.store(2_001, SeqCst);
    let view = runtime.projection::<Told<7>>("told").on::<Ledger>().start().await.unwrap();
    eventually(|| levers.gate.is_waited_at()).await;
    view.pause();
    levers.gate.open();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    assert!(view.read(|told| told.here) < 500);
    view.stop().await;
}

/// The lock was waited for on a thread that others needed, too: here it is the only one, and the
/// reader waits for what runs on it.
#[tokio::test]
async fn a_reader_that_takes_long_holds_up_the_view_and_nobody_else() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = caught_up::<8>(&runtime).await;
    let ((reads, is_read), (done, until_done)) = (mpsc::channel(), mpsc::channel::<()>());
    let reader = std::thread::spawn({
        let view = view.clone();
        move || {
            view.read(|_| {
                reads.send(()).unwrap();
                until_done.recv().unwrap();
            });
        }
    });
    is_read.recv().unwrap();
    add(&runtime, 0..10).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    done.send(()).unwrap();
    reader.join().unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|told| told.is_whole(10)));
}
