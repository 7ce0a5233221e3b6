//! A slow projection still reacts to requests soon, and blocks no other task.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;

use actuarius::Runtime;
use actuarius::health::FollowerStatus;

use super::scripted::{Scripted, add, caught_up, levers};
use crate::common::{Bell, Ledger, eventually};

/// The size of a slice was estimated from earlier events. After many events of other types, a slice
/// had thousands of events, however slow they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_takes_effect_soon_even_if_slow_events_follow_many_quick_ones() {
    let runtime = Runtime::in_memory().await.unwrap();
    let bells = runtime.host::<Bell>();
    for _ in 0..2_000 {
        bells.execute("tower", ()).await.unwrap();
    }
    add(&runtime, 0..500).await;
    let levers = levers(7);
    levers.waits_at.store(2_001, SeqCst);
    levers.slow_from.store(2_001, SeqCst);
    let view = runtime.projection::<Scripted<7>>("scripted").on::<Ledger>().start().await.unwrap();
    eventually(|| levers.gate.is_waited_at()).await;
    drop(view.pause());
    levers.gate.open();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    assert!(view.read(|scripted| scripted.here) < 500);
    view.stop().await;
}

/// The projection waited for the lock on a thread that others needed, too: here it is the only one,
/// and the reader waits for a task on it.
#[tokio::test]
async fn a_slow_reader_blocks_the_view_and_no_other_task() {
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
    assert!(view.read(|scripted| scripted.is_whole(10)));
}
