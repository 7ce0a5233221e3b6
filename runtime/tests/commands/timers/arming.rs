//! Arms aggregates that exist already, and bounds how many are delivered at once.

use super::*;

async fn without_timers(contents: &Arc<Contents>) -> Desk {
    Desk::with(contents, 0, |_| Hosting::default().into()).await
}

#[tokio::test]
async fn aggregates_that_existed_before_the_timer_are_armed_page_by_page() {
    let contents = Arc::default();
    let desk = without_timers(&contents).await;
    for number in 0..25 {
        desk.send(&format!("a{number}"), Command::Idle(Some(10))).await;
    }
    desk.send("none", Command::Idle(None)).await;
    desk.shut_down(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    desk.pass(20, 0).await;
    let (mut asked, mut pages, mut after) = (0, 0, Position::NONE);
    loop {
        let page = desk.reminders.arm_timers().after(after).limit(10).await.unwrap();
        (asked, pages) = (asked + page.aggregates, pages + 1);
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!((asked, pages), (27, 3), "25, the one without a time, and `last`");
    desk.settle(0).await;
    for number in 0..25 {
        assert_eq!(desk.came(&format!("a{number}")).await.len(), 1);
    }
    let page = desk.reminders.arm_timers().await.unwrap();
    assert_eq!((page.aggregates, page.next), (27, None));
    assert_eq!(desk.health().armed, 0, "doing it again does no harm");
}

#[tokio::test]
async fn what_was_armed_is_durable_when_the_call_returns() {
    let contents = Arc::default();
    let desk = without_timers(&contents).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.shut_down(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    desk.reminders.arm_timers().await.unwrap();
    desk.kill(&contents).await;
    let desk = Desk::on(&contents, 10).await;
    desk.settle(0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

#[tokio::test]
async fn an_aggregate_that_cannot_be_loaded_now_is_armed_later() {
    let contents = Arc::default();
    let desk = without_timers(&contents).await;
    desk.send("a", Command::Idle(Some(10))).await;
    desk.send("b", Command::Idle(Some(10))).await;
    desk.shut_down(&contents).await;
    let desk = Desk::on(&contents, 0).await;
    // It is quarantined, although what is stored of it is whole.
    desk.reminders.execute("a", Command::Bomb).await.unwrap_err();
    let page = desk.reminders.arm_timers().await.unwrap();
    assert_eq!((page.aggregates, page.next), (2, None));
    until(async || desk.health().failing == 2).await;
    desk.reminders.release("a").unwrap();
    desk.settle(2).await;
    desk.pass(10, 0).await;
    assert_eq!(desk.came("a").await, came([("idle", 10)]));
}

/// A thousand timers that are due at once must leave the inboxes to the callers.
#[tokio::test]
async fn many_timers_that_are_due_at_once_come_a_few_at_a_time() {
    let contents = Arc::default();
    let desk = Desk::on(&contents, 0).await;
    for number in 0..300 {
        desk.send(&format!("a{number}"), Command::Idle(Some(10))).await;
    }
    let hold = desk.faults.hold();
    desk.set(10);
    until(async || desk.runtime.health().pending >= 64).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
        assert!(desk.runtime.health().pending <= 64);
    }
    assert_eq!(desk.health().armed, 300);
    hold.release();
    desk.settle(0).await;
    assert_eq!(desk.made().await, 300);
}
