//! A timer that cannot be delivered is tried again, and shown.

use std::future::IntoFuture;
use std::sync::atomic::AtomicBool;

use actuarius::health::Trouble;

use super::*;

async fn until_failing(desk: &Desk, count: usize) {
    until(async || desk.health().failing == count).await;
    let troubles = desk.runtime.health().troubles();
    let is_shown = |it: &Trouble| match it {
        Trouble::Timers { aggregate, timers, .. } => (*aggregate, *timers) == ("reminder", count),
        _ => false,
    };
    assert!(troubles.iter().any(is_shown), "{troubles:?}");
    assert_eq!(desk.health().armed, count);
}

#[tokio::test]
async fn an_aggregate_that_cannot_be_loaded_is_tried_again() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.shut_down(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    desk.settle(1).await;
    desk.faults.fail_reads_of(&Id::<Reminder>::new("a").unwrap().stream());
    desk.set(10);
    until_failing(&desk, 1).await;
    // Others do not wait for it.
    desk.send("b", Command::Idle(Some(10))).await;
    until(async || desk.came("b").await.len() == 1).await;
    desk.faults.clear();
    desk.settle(0).await;
    assert_eq!((desk.came("a").await, desk.made().await), (came([("idle", 10)]), 2));
    assert!(desk.runtime.health().is_good());
}

#[tokio::test]
async fn a_command_that_panics_is_tried_again_until_it_does_not() {
    let desk = Desk::new().await;
    desk.send("a", Command::Answer(Answer::Panic)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.set(10);
    until_failing(&desk, 1).await;
    desk.send("a", Command::Answer(Answer::Clear)).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

/// A panic in the function of a timer must not cost the events of the command after which it ran, nor the timer.
#[tokio::test]
async fn a_function_that_panics_is_asked_again() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let breaks = is_broken.clone();
    let hosting = move |made: &Arc<AtomicUsize>| {
        let made = made.clone();
        let due = move |it: &Reminder| match breaks.load(Ordering::SeqCst) {
            true => std::panic::resume_unwind(Box::new("no time")),
            false => it.idle.map(at),
        };
        Hosting::default().timer("idle", due, move |_| counted(&made, "idle"))
    };
    let desk = Desk::with(&Arc::default(), 10, hosting).await;
    desk.send("a", Command::Idle(Some(10))).await;
    until_failing(&desk, 1).await;
    is_broken.store(false, Ordering::SeqCst);
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

/// The event before the one that broke `apply` in the same turn set a timer, and nobody knew.
#[tokio::test]
async fn a_timer_that_was_set_before_the_state_broke_comes_after_the_release() {
    let desk = Desk::on(&Arc::default(), 10).await;
    desk.send("a", Command::Bill(None)).await;
    // Both in one turn: the commands wait while the commit of the first one does.
    let hold = desk.faults.hold();
    let first = tokio::spawn(desk.reminders.execute("a", Command::Bill(None)).into_future());
    let hold = crate::common::until_held(hold).await;
    let set = tokio::spawn(desk.reminders.execute("a", Command::Idle(Some(10))).into_future());
    until(async || desk.runtime.health().pending == 2).await;
    let broken = tokio::spawn(desk.reminders.execute("a", Command::Bomb).into_future());
    until(async || desk.runtime.health().pending == 3).await;
    hold.release();
    first.await.unwrap().unwrap();
    set.await.unwrap().unwrap();
    broken.await.unwrap().unwrap_err();
    until_failing(&desk, 2).await;
    assert!(desk.reminders.release("a").unwrap());
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}
