//! A subscription that halts at a failing event, its retries, and how it continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actuarius::Runtime;
use actuarius::error::{BoxError, WaitError};
use actuarius::health::FollowerStatus;
use actuarius::subscription::{OnPoison, RawEvent, Retry};

use super::scene::{
    Failing, LONG, Scribe, add, at_once, caught_up, halting, mailer, stored, until, until_halted,
};
use crate::common::{Ledger, eventually};

#[tokio::test]
async fn a_subscription_halts_at_an_event_that_fails_too_often_and_skips_nothing() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(2, Failing::Refuses);
    let mailer = halting(&runtime, &scribe).await;
    add(&ledgers, "a", &[1, 2, 3]).await;
    add(&ledgers, "b", &[4]).await;

    let (position, why) = until_halted(&mailer).await;
    assert_eq!((position, &*why), (2, "2 is refused"));
    assert_eq!((scribe.amounts(), mailer.position().get()), (vec![1], 1));
    assert!(!runtime.health().is_good());
    eventually(|| stored(&runtime) == 1).await;
    let waited = mailer.wait_for_within(runtime.head(), LONG).await.unwrap_err();
    assert!(matches!(waited, WaitError::Halted { at, .. } if at.get() == 2), "{waited}");
}

#[tokio::test]
async fn a_resume_tries_the_event_again() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(2, Failing::Refuses);
    let mailer = halting(&runtime, &scribe).await;
    add(&ledgers, "a", &[1, 2, 3]).await;
    until_halted(&mailer).await;

    scribe.mend(2);
    mailer.resume();
    until(&mailer, |status| *status == FollowerStatus::Live).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2, 3]);
    assert!(runtime.health().is_good());
}

#[tokio::test]
async fn a_halt_is_reported_during_a_pause() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    scribe.fail(1, Failing::Refuses);
    let mailer = halting(&runtime, &scribe).await;
    add(&runtime.host::<Ledger>(), "a", &[1]).await;
    let (position, why) = until_halted(&mailer).await;
    mailer.pause().await;
    assert_eq!(until_halted(&mailer).await, (position, why));
    assert!(!runtime.health().is_good());
    scribe.mend(1);
    mailer.resume();
    caught_up(&runtime, &mailer).await;
}

#[tokio::test]
async fn each_resume_has_all_attempts() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let attempts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = attempts.clone();
    let handler = move |_: actuarius::Envelope<Ledger>| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async { Err::<(), BoxError>("never".into()) }
    };
    let tried = || attempts.load(std::sync::atomic::Ordering::Relaxed);
    let builder = runtime.subscribe("mailer").on(handler).retry(at_once().attempts(3));
    let mailer = builder.on_poison(OnPoison::Halt).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    until_halted(&mailer).await;
    assert_eq!(tried(), 3);
    mailer.resume();
    eventually(|| tried() == 6).await;
    until_halted(&mailer).await;
}

#[tokio::test]
async fn nothing_new_is_started_while_an_event_waits_for_its_next_attempt() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(2, Failing::Refuses);
    let patient = Retry::default().waits(LONG, LONG);
    let builder = mailer(&runtime, &scribe).retry(patient).on_poison(OnPoison::Halt);
    let seen = Arc::new(AtomicU64::new(0));
    let sees = seen.clone();
    let by_id = move |event: &RawEvent<'_>| {
        sees.store(event.position().get(), Ordering::SeqCst);
        event.id().to_owned()
    };
    let mailer = builder.ordered_by(by_id).workers(4).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    until(&mailer, |status| matches!(status, FollowerStatus::Retrying { .. })).await;
    add(&ledgers, "b", &[3]).await;
    let retrying = FollowerStatus::Retrying {
        position: actuarius::Position::new(2),
        attempts: 1,
        why: "2 is refused".to_owned(),
    };
    eventually(|| seen.load(Ordering::SeqCst) == 3).await;
    assert_eq!(mailer.status(), retrying);
    // Handlers that were started are finished then.
    mailer.pause().await;
    assert_eq!(scribe.amounts(), [1]);
}

#[tokio::test]
async fn other_keys_continue_while_an_event_that_may_be_parked_waits_for_its_next_attempt() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let builder = mailer(&runtime, &scribe).retry(Retry::default().waits(LONG, LONG));
    let mailer = builder.start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    add(&ledgers, "b", &[3, 4]).await;
    eventually(|| scribe.amounts() == [3, 4]).await;
    assert!(matches!(mailer.status(), FollowerStatus::Retrying { .. }));
    assert_eq!(mailer.position().get(), 0);
}

#[tokio::test]
async fn a_restart_begins_with_the_event_at_which_the_subscription_halted() {
    let contents = std::sync::Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = crate::common::open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(2, Failing::Panics);
        let mailer = halting(&runtime, &scribe).await;
        add(&ledgers, "a", &[1, 2, 3]).await;
        let (_, why) = until_halted(&mailer).await;
        assert_eq!(why, "the handler panicked: the handler burst");
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    scribe.mend(2);
    let (runtime, _) = crate::common::open_on(&contents).await;
    let mailer = halting(&runtime, &scribe).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2, 3]);
}
