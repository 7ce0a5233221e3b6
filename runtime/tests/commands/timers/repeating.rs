//! Each time comes once, also if the state says it again.

use actuarius::error::HostError;

use super::*;

/// A deadline that came, was cleared and was set again came a second time if the ids of commands were not remembered, and
/// was swallowed if they were.
#[tokio::test]
async fn whether_a_time_comes_again_does_not_depend_on_how_many_ids_are_remembered() {
    for remembered in [0, 256] {
        let hosting = Hosting::default().remembered_commands(remembered);
        let desk = Desk::with(&Arc::default(), 10, |made| both(hosting, made)).await;
        for _ in 0..2 {
            desk.send("a", Command::Idle(Some(10))).await;
            desk.settle(0).await;
        }
        assert_eq!(desk.came("a").await, came([("idle", 10)]), "{remembered} ids");
    }
}

/// The mark that a time was delivered was never removed once the state said no time any more.
#[tokio::test]
async fn the_note_of_a_delivered_time_is_removed_when_the_state_says_it_no_more() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 10).await;
    desk.send("a", Command::Answer(Answer::Reject)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.settle(0).await;
    until(async || notes(&contents).len() == 1).await;
    desk.send("a", Command::Idle(None)).await;
    until(async || notes(&contents).is_empty()).await;
    desk.send("a", Command::Answer(Answer::Clear)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]), "a rejected command is decided again");
}

/// A timer failed because the clock was ahead, and the clock was set back. It was tried again before its time.
#[tokio::test]
async fn a_timer_that_is_tried_again_does_not_come_before_its_time() {
    let desk = Desk::new().await;
    desk.send("a", Command::Answer(Answer::Panic)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.set(10);
    until(async || desk.health().failing == 1).await;
    desk.set(5);
    // Another one fails later, so it is tried again later.
    desk.send("b", Command::Answer(Answer::Panic)).await;
    desk.send("b", Command::Idle(Some(5))).await;
    until(async || desk.health().failing == 2).await;
    desk.send("a", Command::Answer(Answer::Clear)).await;
    desk.send("b", Command::Answer(Answer::Clear)).await;
    until(async || desk.came("b").await.len() == 1).await;
    assert_eq!(desk.came("a").await, []);
    desk.set(10);
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

/// The command of a timer with a damaged note was carried out a second time, if its id was not remembered.
#[tokio::test]
async fn a_damaged_note_does_not_repeat_a_command_that_was_stored() {
    let contents = Arc::default();
    let hosting = || Hosting::default().remembered_commands(0);
    let desk = Desk::with(&contents, 10, |made| both(hosting(), made)).await;
    desk.send("a", Command::Answer(Answer::Keep)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    until(async || desk.came("a").await.len() == 1).await;
    desk.shut_down(&contents).await;
    let (store, faults) = fault::over(memory::reopen(&contents));
    faults.damage_note(&notes(&contents)[0]);
    let clock = Arc::new(ManualClock::at(at(20)));
    let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
    let made = Arc::default();
    let reminders = runtime.host_with(both(hosting(), &made));
    let desk = Desk { runtime, reminders, clock, faults, made };
    desk.send("a", Command::Bill(None)).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await.len(), 1);
}

/// Another module had hosted the type without its timers before. They were left out without a word.
#[tokio::test]
async fn timers_of_a_type_that_is_hosted_without_them_are_refused() {
    let runtime = Runtime::in_memory().await.unwrap();
    let _plain = runtime.host::<Reminder>();
    let refused = runtime.try_host_with(both(Hosting::default(), &Arc::default())).err();
    assert!(matches!(refused, Some(HostError::Timer { .. })), "{refused:?}");
    let runtime = Runtime::in_memory().await.unwrap();
    let _timed = runtime.host_with(both(Hosting::default(), &Arc::default()));
    assert!(runtime.try_host_with(both(Hosting::default(), &Arc::default())).is_ok());
    let _plain = runtime.host::<Reminder>();
}
