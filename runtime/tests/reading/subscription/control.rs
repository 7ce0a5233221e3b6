//! Pausing, resuming, resetting and stopping a subscription.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actuarius::error::{BoxError, WaitError};
use actuarius::health::FollowerStatus;
use actuarius::subscription::{OnPoison, ResetError, Start, Subscription};
use actuarius::{Envelope, Position, Runtime};

use super::parking::parked_notes;
use super::scene::{
    Failing, LONG, Scribe, add, caught_up, halting, mailer, stored, until, until_halted,
};
use crate::common::{Command, Ledger, eventually, is_waiting, open_on, send};

#[tokio::test]
async fn a_pause_lets_running_handlers_finish_and_starts_no_more() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(1);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    scribe.until_held(1).await;
    let mut pausing = send(Box::pin(mailer.pause()));
    assert!(is_waiting(&mut pausing));
    scribe.let_go(1);
    pausing.await;

    assert_eq!(mailer.status(), FollowerStatus::Paused);
    assert_eq!((scribe.amounts(), stored(&runtime)), (vec![1], 1));
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2]);
}

#[tokio::test]
async fn a_pause_outlives_a_restart() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    for _ in 0..2 {
        let (runtime, _) = open_on(&contents).await;
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        mailer.pause().await;
        add(&runtime.host::<Ledger>(), "a", &[1]).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    until(&mailer, |status| *status == FollowerStatus::Paused).await;
    // Another subscription would take the same events, and this one finishes whatever it has
    // started.
    let heard = Scribe::default();
    let other = runtime.subscribe("other").on(heard.handler()).start().await.unwrap();
    caught_up(&runtime, &other).await;
    mailer.pause().await;
    assert_eq!((heard.amounts(), scribe.amounts()), (vec![1, 1], vec![]));
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 1]);
    eventually(|| stored(&runtime) == 2).await;
}

#[tokio::test]
async fn the_last_pause_or_resume_counts_even_if_a_stop_follows_immediately() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    for is_paused in [true, false, true] {
        let (runtime, _) = open_on(&contents).await;
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        drop(mailer.pause());
        if !is_paused {
            mailer.resume();
        }
        assert!(runtime.shutdown(LONG).await.is_clean());
        let (runtime, _) = open_on(&contents).await;
        let mailer = self::mailer(&runtime, &scribe).start().await.unwrap();
        let settled = if is_paused { FollowerStatus::Paused } else { FollowerStatus::Live };
        until(&mailer, |status| *status == settled).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
}

#[tokio::test]
async fn a_handler_may_pause_its_own_subscription_if_it_does_not_wait() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let own = Arc::new(OnceLock::<Subscription>::new());
    let (asked, handled) = (own.clone(), Arc::new(AtomicUsize::new(0)));
    let count = handled.clone();
    let handler = move |_: Envelope<Ledger>| {
        count.fetch_add(1, Ordering::SeqCst);
        // The request is sent by the call, although its future is not awaited.
        drop(asked.get().map(Subscription::pause));
        async { Ok::<(), BoxError>(()) }
    };
    let mailer = runtime.subscribe("mailer").on(handler).start().await.unwrap();
    own.set(mailer.clone()).unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    until(&mailer, |status| *status == FollowerStatus::Paused).await;
    assert_eq!((handled.load(Ordering::SeqCst), stored(&runtime)), (1, 1));
}

#[tokio::test]
async fn a_reset_starts_again_at_its_position_and_is_durable() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        ledgers.execute("a", Command::AddAll(vec![1, 2, 3])).await.unwrap();
        for (start, heard) in [
            (Start::Beginning, vec![1, 2, 3]),
            (Start::After(Position::new(1)), vec![2, 3]),
            (Start::End, vec![]),
        ] {
            caught_up(&runtime, &mailer).await;
            scribe.forget();
            mailer.reset(start).await.unwrap();
            caught_up(&runtime, &mailer).await;
            assert_eq!(scribe.amounts(), heard);
        }
        mailer.pause().await;
        mailer.reset(Start::After(Position::new(2))).await.unwrap();
        assert_eq!(stored(&runtime), 2);
        assert_eq!(mailer.status(), FollowerStatus::Paused);
    }
    scribe.forget();
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [3]);
}

#[tokio::test]
async fn a_reset_waits_for_running_handlers() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(1);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    scribe.until_held(1).await;
    let mut resetting = send(Box::pin(mailer.reset(Start::End)));
    assert!(is_waiting(&mut resetting));
    scribe.let_go(1);
    resetting.await.unwrap();
    assert_eq!((scribe.amounts(), mailer.position().get()), (vec![1], 2));
}

#[tokio::test]
async fn a_reset_moves_a_halted_subscription_past_the_event() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let mailer = halting(&runtime, &scribe).await;
    add(&ledgers, "a", &[1, 2]).await;
    until_halted(&mailer).await;
    mailer.reset(Start::After(Position::new(1))).await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [2]);
}

#[tokio::test]
async fn a_reset_discards_parked_events_after_its_position_and_keeps_the_others() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    scribe.fail(3, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    add(&ledgers, "b", &[3, 4]).await;
    caught_up(&runtime, &mailer).await;
    eventually(|| parked_notes(&runtime) == 4).await;

    scribe.mend(3);
    mailer.pause().await;
    mailer.reset(Start::After(Position::new(1))).await.unwrap();
    let parked: Vec<_> =
        mailer.parked_of("ledger/a").await.iter().map(|it| it.position.get()).collect();
    assert_eq!((parked, parked_notes(&runtime)), (vec![1], 1));
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    // 2 waits for 1 again, and 3 does not fail any longer.
    let parked: Vec<_> =
        mailer.parked_of("ledger/a").await.iter().map(|it| it.position.get()).collect();
    assert_eq!((parked, scribe.amounts()), (vec![1, 2], vec![3, 4]));
}

#[tokio::test]
async fn a_reset_beyond_the_end_of_the_log_is_refused_and_changes_nothing() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    let refused = mailer.reset(Start::After(Position::new(9))).await;
    assert!(matches!(refused, Err(ResetError::Ahead { head, .. }) if head.get() == 1));
    add(&ledgers, "a", &[2]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2]);
}

#[tokio::test]
async fn requests_to_a_stopped_subscription_report_the_stop() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    mailer.stop().await;
    mailer.stop().await;
    mailer.pause().await;
    mailer.resume();
    assert_eq!(mailer.status(), FollowerStatus::Stopped);
    assert!(matches!(mailer.reset(Start::End).await, Err(ResetError::Stopped)));
    assert_eq!(mailer.retry_parked("a").await, Err(actuarius::subscription::ParkedError::Stopped));
    assert!(mailer.parked().await.is_empty());
    let last = add(&runtime.host::<Ledger>(), "a", &[1]).await;
    let waited = mailer.wait_for_within(last, LONG).await;
    assert!(matches!(waited, Err(WaitError::Stopped { .. })), "{waited:?}");
}

#[tokio::test]
async fn a_wait_that_times_out_reports_the_position() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(2);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let last = add(&ledgers, "a", &[1, 2]).await;
    eventually(|| mailer.position().get() == 1).await;
    match mailer.wait_for_within(last, Duration::ZERO).await {
        Err(WaitError::TimedOut { wanted, reached, .. }) => {
            assert_eq!((wanted.get(), reached.get()), (2, 1));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stop_finishes_running_handlers_and_stores_the_position() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(1);
    let builder = mailer(&runtime, &scribe).checkpoint_every(LONG).on_poison(OnPoison::Halt);
    let mailer = builder.start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    scribe.until_held(1).await;
    let mut stopping = send(Box::pin(mailer.stop()));
    assert!(is_waiting(&mut stopping));
    scribe.let_go(1);
    stopping.await;
    assert_eq!((scribe.amounts(), stored(&runtime)), (vec![1], 1));
}
