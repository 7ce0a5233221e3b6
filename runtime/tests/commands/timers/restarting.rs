//! What is due while nothing runs comes at the next start, once.

use super::*;

#[tokio::test]
async fn what_is_due_while_nothing_runs_comes_once_at_the_next_start() {
    for is_killed in [false, true] {
        let contents = Arc::default();
        let mut desk = Desk::on(&contents, 0).await;
        desk.send("a", Command::Idle(Some(10))).await;
        desk.send("a", Command::Bill(Some(20))).await;
        desk.send("b", Command::Idle(Some(25))).await;
        for (micros, armed) in [(5, 3), (15, 2), (15, 2), (30, 0), (99, 0)] {
            match is_killed {
                true => desk.kill(&contents).await,
                false => desk.shut_down(&contents).await,
            }
            desk = Desk::on(&contents, micros).await;
            desk.settle(armed).await;
        }
        assert_eq!(desk.came("a").await, came([("idle", 15), ("bill", 30)]));
        assert_eq!(desk.came("b").await, came([("idle", 30)]));
    }
}

/// A reminder every ten days came three times in a row after a month of downtime.
#[tokio::test]
async fn a_timer_that_was_due_several_times_comes_once_for_each_time_that_was_set() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.send("a", Command::Idle(Some(20))).await;
    desk.send("a", Command::Idle(Some(30))).await;
    desk.kill(&contents).await;
    let desk = Desk::on(&contents, 1_000).await;
    desk.settle(0).await;
    assert_eq!((desk.came("a").await, desk.made().await), (came([("idle", 1_000)]), 1));
}

#[tokio::test]
async fn a_timer_that_is_no_longer_declared_is_dropped_and_the_others_stay() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.send("a", Command::Bill(Some(10))).await;
    desk.shut_down(&contents).await;
    assert_eq!(notes(&contents).len(), 2);
    // Without any timer, nobody looks at them.
    let desk = Desk::with(&contents, 5, |_| Hosting::default().into()).await;
    desk.send("b", Command::Idle(Some(10))).await;
    desk.shut_down(&contents).await;
    assert_eq!(notes(&contents).len(), 2);
    let desk = Desk::with(&contents, 10, |made| idle(Hosting::default().into(), made)).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
    until(async || notes(&contents).is_empty()).await;
}

/// A flipped bit in a note must not lose the timer: the state knows its time.
#[tokio::test]
async fn an_aggregate_whose_note_is_damaged_is_asked_for_its_time() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    for id in ["a", "b", "c"] {
        desk.send(id, Command::Idle(Some(10))).await;
    }
    desk.shut_down(&contents).await;
    let (store, faults) = fault::over(memory::reopen(&contents));
    faults.damage_note(&notes(&contents)[1]);
    let clock = Arc::new(ManualClock::at(at(0)));
    let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
    let made = Arc::default();
    let reminders = runtime.host_with(both(Hosting::default(), &made));
    let desk = Desk { runtime, reminders, clock, faults, made };
    // One of them is asked now.
    desk.settle(3).await;
    desk.pass(10, 0).await;
    for id in ["a", "b", "c"] {
        assert_eq!(desk.came(id).await, came([("idle", 10)]), "{id}");
    }
}

/// Without the notes, a turn would not know which times were delivered.
#[tokio::test]
async fn requests_are_refused_while_the_timers_cannot_be_read() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Answer(Answer::Reject)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.pass(10, 0).await;
    desk.shut_down(&contents).await;
    let (store, faults) = fault::over(memory::reopen(&contents));
    let clock = Arc::new(ManualClock::at(at(20)));
    let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
    faults.fail_reads_at_random(1, 1.0);
    let made = Arc::default();
    let reminders = runtime.host_with(both(Hosting::default(), &made));
    let refused = reminders.execute("a", Command::Bill(None)).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    let desk = Desk { runtime, reminders, clock, faults, made };
    assert!(desk.health().last_failure.is_some() && !desk.runtime.health().is_good());
    desk.faults.clear();
    until(async || desk.reminders.execute("a", Command::Bill(None)).await.is_ok()).await;
    assert_eq!(desk.health().last_failure, None);
    desk.pass(30, 0).await;
    let made = desk.made.load(Ordering::SeqCst);
    assert_eq!(made, 1, "that of `last`; the other one was delivered before");
}
