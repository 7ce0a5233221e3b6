//! A deleted aggregate has no timers, and no notes of them.

use actuarius::inspection::{self, Lag};
use actuarius::operations::Reuse;

use super::*;

#[tokio::test]
async fn a_deleted_aggregate_loses_its_timers_and_their_notes() {
    for reuse in [Reuse::Allowed, Reuse::Never] {
        let contents = Arc::default();
        let desk = Desk::on(&contents, 0).await;
        desk.send("a", Command::Idle(Some(10))).await;
        desk.send("a", Command::Bill(Some(20))).await;
        desk.send("b", Command::Idle(Some(20))).await;
        desk.reminders.delete("a", reuse).await.unwrap();
        desk.settle(1).await;
        until(async || notes(&contents).len() == 1).await;
        desk.pass(20, 0).await;
        assert_eq!((desk.came("a").await, desk.came("b").await.len()), (vec![], 1));
    }
}

/// A time that was delivered, and that the state still said, left its note in the store.
#[tokio::test]
async fn the_mark_of_a_delivered_time_is_removed_with_its_aggregate() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 10).await;
    desk.send("a", Command::Answer(Answer::Reject)).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.settle(0).await;
    assert_eq!(notes(&contents).len(), 1);
    desk.reminders.delete("a", Reuse::Never).await.unwrap();
    until(async || notes(&contents).is_empty()).await;
}

#[tokio::test]
async fn an_id_that_is_used_again_has_the_timers_of_its_new_state() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(100))).await;
    desk.reminders.delete("a", Reuse::Allowed).await.unwrap();
    desk.send("a", Command::Idle(Some(10))).await;
    desk.kill(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    desk.pass(10, 0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

/// An aggregate that was deleted in a closed store was sent a command when its timer was due.
#[tokio::test]
async fn a_deletion_in_a_closed_store_removes_the_notes() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.send("a", Command::Bill(Some(20))).await;
    desk.send("b", Command::Bill(Some(20))).await;
    desk.shut_down(&contents).await;
    let stream = Id::<Reminder>::new("a").unwrap().stream();
    let mut store = memory::reopen(&contents);
    inspection::delete(&mut store, &stream, Reuse::Allowed, Lag::Refused).unwrap();
    drop(store);
    assert_eq!(notes(&contents).len(), 1);
}

/// A function that returns a time for the state before the first event must not bring an aggregate into being.
#[tokio::test]
async fn an_aggregate_that_does_not_exist_receives_no_command() {
    let contents = Arc::default();
    let always = |_: &Arc<AtomicUsize>| {
        Hosting::default().timer("always", |_: &Reminder| Some(at(10)), |_| Command::Come("always"))
    };
    let desk = Desk::with(&contents, 0, always).await;
    desk.send("a", Command::Bill(None)).await;
    desk.reminders.delete("a", Reuse::Allowed).await.unwrap();
    desk.set(10);
    desk.settle(0).await;
    until(async || notes(&contents).is_empty()).await;
    assert_eq!(desk.came("a").await, []);
}
