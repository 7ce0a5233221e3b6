//! A state sets, replaces and cancels its timers by what it says.

use std::sync::Arc;

use actuarius::error::HostError;

use super::*;

#[tokio::test]
async fn a_timer_comes_at_its_time_and_not_before() {
    let desk = Desk::new().await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.pass(9, 1).await;
    assert_eq!(desk.came("a").await, []);
    desk.pass(10, 0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
    desk.pass(50, 0).await;
    assert_eq!((desk.came("a").await.len(), desk.made().await), (1, 1));
}

#[tokio::test]
async fn each_timer_of_an_aggregate_has_its_own_time() {
    let desk = Desk::new().await;
    desk.send("a", Command::Idle(Some(20))).await;
    desk.send("a", Command::Bill(Some(10))).await;
    desk.pass(10, 1).await;
    desk.pass(20, 0).await;
    assert_eq!(desk.came("a").await, came([("bill", 10), ("idle", 20)]));
}

/// A reminder that each use pushes further would double what a command writes, if each use wrote a note.
#[tokio::test]
async fn a_time_that_is_replaced_by_a_later_one_writes_nothing() {
    let desk = Desk::new().await;
    desk.send("a", Command::Idle(Some(10))).await;
    let before = desk.faults.counts().notes;
    for later in 11..=60 {
        desk.send("a", Command::Idle(Some(later))).await;
    }
    assert_eq!(desk.faults.counts().notes, before);
    // At the noted time the aggregate is asked, and nothing is delivered.
    desk.pass(59, 1).await;
    assert_eq!((desk.came("a").await.len(), desk.made().await), (0, 0));
    desk.pass(60, 0).await;
    assert_eq!(desk.came("a").await, came([("idle", 60)]));
}

#[tokio::test]
async fn a_time_that_is_replaced_by_an_earlier_one_comes_at_the_earlier_one() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(1_000))).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.kill(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    desk.pass(10, 0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
    desk.pass(1_000, 0).await;
    assert_eq!(desk.made().await, 1);
}

#[tokio::test]
async fn a_cancelled_timer_does_not_come_and_leaves_no_note() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.send("a", Command::Idle(None)).await;
    desk.pass(10, 0).await;
    assert_eq!((desk.came("a").await.len(), desk.made().await), (0, 0));
    until(async || notes(&contents).is_empty()).await;
}

#[tokio::test]
async fn a_time_that_has_passed_comes_at_once() {
    let desk = Desk::on(&Arc::default(), 100).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 100)]));
}

#[tokio::test]
async fn a_command_that_sets_its_timer_again_comes_again() {
    let desk = Desk::new().await;
    desk.send("a", Command::Answer(Answer::Again(10))).await;
    desk.send("a", Command::Idle(Some(10))).await;
    for micros in [10, 20, 30] {
        desk.pass(micros, 1).await;
    }
    assert_eq!(desk.came("a").await, came([("idle", 10), ("idle", 20), ("idle", 30)]));
}

/// A state that says a time in the past for as long as nothing else happens must not be sent the same command
/// without end.
#[tokio::test]
async fn a_time_that_was_delivered_does_not_come_again_however_long_the_state_says_it() {
    for answer in [Answer::Keep, Answer::Reject, Answer::Nothing] {
        let contents = Arc::default();
        let desk = Desk::on(&contents, 0).await;
        desk.send("a", Command::Answer(answer)).await;
        desk.send("a", Command::Idle(Some(10))).await;
        desk.pass(10, 0).await;
        assert_eq!(desk.made().await, 1, "{answer:?}");
        // The notes of what was delivered are stored before this command.
        desk.send("a", Command::Bill(None)).await;
        let before = desk.faults.counts().notes;
        desk.send("a", Command::Bill(None)).await;
        assert_eq!(desk.faults.counts().notes, before, "{answer:?} costs no note per command");
        desk.pass(20, 0).await;
        assert_eq!(desk.made().await, 1, "{answer:?}");
        desk.shut_down(&contents).await;
        let desk = Desk::on(&contents, 30).await;
        desk.send("a", Command::Bill(None)).await;
        desk.pass(30, 0).await;
        assert_eq!(desk.made.load(Ordering::SeqCst), 1, "only of `last`, {answer:?}");
        // Another time is another timer.
        desk.send("a", Command::Idle(Some(40))).await;
        desk.pass(40, 0).await;
        assert_eq!(desk.made.load(Ordering::SeqCst), 3, "{answer:?}");
    }
}

#[tokio::test]
async fn the_command_is_traced_to_the_one_that_led_to_the_state() {
    let desk = Desk::new().await;
    let set = desk.reminders.execute("a", Command::Idle(Some(10))).correlation("workflow");
    let set = set.await.unwrap();
    desk.pass(10, 0).await;
    let last = desk.reminders.events("a", Version::new(1)).await.unwrap().remove(0);
    assert_eq!(last.header.causation_id, Some(set.command_id.into()));
    assert_eq!(last.header.correlation_id, "workflow".into());
}

#[tokio::test]
async fn names_of_timers_are_checked_when_the_type_is_hosted() {
    let runtime = Runtime::in_memory().await.unwrap();
    let named = |names: &[&str]| {
        let none = TimedHosting::<Reminder>::from(Hosting::default());
        let add = |hosting: TimedHosting<_>, name: &&str| {
            hosting.timer(*name, |_: &Reminder| None, |_| Command::Come(""))
        };
        runtime.try_host_with(names.iter().fold(none, add)).map(drop)
    };
    let refused = |timer: &str, why| {
        Err(HostError::Timer { aggregate: "reminder", timer: timer.to_owned(), why })
    };
    let long = "x".repeat(129);
    assert_eq!(named(&["a", "b", "a"]), refused("a", "two timers have this name"));
    assert_eq!(named(&[""]), refused("", "a name has 1 to 128 bytes"));
    assert_eq!(named(&[&long]), refused(&long, "a name has 1 to 128 bytes"));
    let many: Vec<String> = (0..17).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(named(&many), refused("16", "a type has at most 16 timers"));
    assert_eq!(named(&many[..16]), Ok(()));
}
