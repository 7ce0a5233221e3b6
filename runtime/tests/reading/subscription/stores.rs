//! Subscriptions on a store that fails or cannot be read.

use std::sync::Arc;
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::store::fault::{Failure, Faults};
use actuarius::subscription::{ParkedError, ResetError, Retry, Start, Subscription};
use actuarius::{Runtime, StreamId};

use super::scene::{
    Failing, LONG, Scribe, add, at_once, caught_up, mailer, stored, until, until_halted,
};
use crate::common::{Command, Ledger, eventually, open_on, send};

#[tokio::test]
async fn a_checkpoint_that_cannot_be_stored_halts_the_subscription_and_a_restart_repeats() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, faults) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let builder = mailer(&runtime, &scribe).checkpoint_every(LONG);
        let mailer = builder.start().await.unwrap();
        add(&ledgers, "a", &[1]).await;
        caught_up(&runtime, &mailer).await;
        add(&ledgers, "a", &[2]).await;
        caught_up(&runtime, &mailer).await;
        mailer.parked().await;
        faults.fail_commit(1, Failure::Unwritten);
        mailer.pause().await;
        let (_, why) = until_halted(&mailer).await;
        assert!(why.contains("the store failed"), "{why}");
        let reset = mailer.reset(Start::Beginning).await;
        assert!(matches!(reset, Err(ResetError::NotStored { .. })), "{reset:?}");
        mailer.resume();
        until_halted(&mailer).await;
        mailer.stop().await;
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    let heard = scribe.amounts();
    assert!(heard.starts_with(&[1, 2]) && heard.len() > 2 && heard.ends_with(&[2]), "{heard:?}");
}

#[tokio::test]
async fn no_event_is_handled_after_the_store_has_failed() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    let (runtime, faults) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(1);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    scribe.until_held(1).await;
    faults.fail_commit(1, Failure::Unacknowledged);
    ledgers.execute("b", Command::Add(3)).await.unwrap_err();
    scribe.let_go(1);
    let (position, why) = until_halted(&mailer).await;
    assert_eq!(position, 2);
    assert!(why.contains("the store failed"), "{why}");
    assert_eq!(scribe.amounts(), [1]);
    let _ = runtime.shutdown(LONG).await;

    // The third event was stored nevertheless.
    scribe.forget();
    let (runtime, _) = open_on(&contents).await;
    let mailer = self::mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert!(scribe.amounts().ends_with(&[2, 3]), "{:?}", scribe.amounts());
}

/// A subscription with a parked event that could be handled now, and the faults of its store.
async fn parked_and_fixed(scribe: &Scribe) -> (Runtime, Faults, Subscription) {
    let (runtime, faults) = open_on(&Arc::default()).await;
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, scribe).start().await.unwrap();
    add(&runtime.host::<Ledger>(), "a", &[1, 2]).await;
    caught_up(&runtime, &mailer).await;
    eventually(|| stored(&runtime) == 2).await;
    scribe.mend(1);
    (runtime, faults, mailer)
}

fn is_not_stored(answer: &Result<usize, ParkedError>) -> bool {
    matches!(answer, Err(ParkedError::NotStored { why }) if why.contains("the store failed"))
}

#[tokio::test]
async fn a_retry_or_skip_that_cannot_be_stored_is_reported() {
    let scribe = Scribe::default();
    let (_runtime, faults, mailer) = parked_and_fixed(&scribe).await;
    faults.fail_commit(1, Failure::Unwritten);
    let retried = mailer.retry_parked("ledger/a").await;
    assert!(is_not_stored(&retried), "{retried:?}");
    until_halted(&mailer).await;
    let heard = scribe.amounts();
    assert!(heard == [1] || heard == [1, 2], "{heard:?}");
}

#[tokio::test]
async fn no_event_is_retried_or_skipped_after_the_store_has_failed() {
    let scribe = Scribe::default();
    let (runtime, faults, mailer) = parked_and_fixed(&scribe).await;
    scribe.hold(3);
    add(&runtime.host::<Ledger>(), "b", &[3]).await;
    scribe.until_held(3).await;
    // The only worker is busy, so this event waits.
    let waits = send(Box::pin(mailer.retry_parked("ledger/a")));
    faults.fail_commit(1, Failure::Unwritten);
    runtime.host::<Ledger>().execute("c", Command::Add(4)).await.unwrap_err();
    for answer in [mailer.retry_parked("ledger/a").await, mailer.skip_parked("ledger/a").await] {
        assert!(is_not_stored(&answer), "{answer:?}");
    }
    scribe.let_go(3);
    let waited = waits.await;
    assert!(is_not_stored(&waited), "{waited:?}");
    mailer.stop().await;
    assert_eq!(scribe.amounts(), [3], "running handlers finish and no other starts");
}

#[tokio::test]
async fn damage_in_the_log_halts_the_subscription_and_it_continues_after_the_repair() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    add(&ledgers, "a", &[1]).await;
    add(&ledgers, "b", &[2]).await;
    faults.damage_events(&StreamId::new("ledger", "b").unwrap());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let (position, why) = until_halted(&mailer).await;
    assert!(position <= 2 && why.contains("damage"), "{position} {why}");

    faults.clear();
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_again_for_another_attempt_halts_the_subscription() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    scribe.hold(1);
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    scribe.until_held(1).await;
    faults.damage_events(&StreamId::new("ledger", "a").unwrap());
    scribe.let_go(1);
    let (position, why) = until_halted(&mailer).await;
    assert!(position == 1 && why.contains("damage"), "{position} {why}");
    faults.clear();
    scribe.mend(1);
    mailer.resume();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1]);
}

/// Unlimited attempts without a delay.
fn for_ever() -> Retry {
    at_once().attempts(u32::MAX)
}

async fn until_retrying(subscription: &Subscription, what: &str) {
    let is_that = |status: &FollowerStatus| matches!(status, FollowerStatus::Retrying { why, .. } if why.contains(what));
    until(subscription, is_that).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_retried_like_a_failing_event() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    add(&ledgers, "a", &[1]).await;
    faults.damage_events(&StreamId::new("ledger", "a").unwrap());
    let mailer = mailer(&runtime, &scribe).retry(for_ever()).start().await.unwrap();
    until_retrying(&mailer, "damage").await;
    faults.clear();
    caught_up(&runtime, &mailer).await;
    until(&mailer, |status| *status == FollowerStatus::Live).await;
    assert_eq!(scribe.amounts(), [1]);
}

#[tokio::test]
async fn an_event_is_not_parked_because_it_cannot_be_read_again() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    scribe.hold(1);
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).retry(for_ever()).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    scribe.until_held(1).await;
    faults.damage_events(&StreamId::new("ledger", "a").unwrap());
    scribe.let_go(1);
    until_retrying(&mailer, "damage").await;
    scribe.mend(1);
    faults.clear();
    caught_up(&runtime, &mailer).await;
    assert!(scribe.amounts() == [1] && mailer.parked().await.is_empty());
}

#[tokio::test]
async fn unlimited_delays_do_not_panic() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    scribe.fail(2, Failing::Refuses);
    let never = Retry::default().waits(Duration::MAX, Duration::MAX);
    let builder = mailer(&runtime, &scribe).retry(never).checkpoint_every(Duration::MAX);
    let mailer = builder.start().await.unwrap();
    add(&runtime.host::<Ledger>(), "a", &[1, 2]).await;
    until_retrying(&mailer, "2 is refused").await;
    mailer.stop().await;
    assert_eq!(stored(&runtime), 1);
}
