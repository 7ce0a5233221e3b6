//! Hundreds of parked events take several sets of notes. These tests crash after each of the sets.

use std::sync::Arc;

use actuarius::health::FollowerStatus;
use actuarius::store::fault::{Failure, Faults};
use actuarius::store::memory::Contents;
use actuarius::subscription::{ParkedError, Start, Subscription};
use actuarius::{Aggregates, Position};
use tokio::task::yield_now;

use super::lives::hold_against;
use super::parking::parked_notes;
use super::scene::{Failing, Heard, LONG, Scribe, add, caught_up, cut_power, log, mailer, until};
use crate::common::{Command, Ledger, eventually, open_on, send};

/// More events than three sets of notes can contain.
const MANY: i64 = 400;

/// The first event of a key fails, so that many are parked, durably.
async fn park_many(contents: &Arc<Contents>) {
    let (runtime, _) = open_on(contents).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    scribe.fail(0, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    ledgers.execute("a", Command::AddAll((0..MANY).collect())).await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
}

/// Runs once more without a failure, and handles everything that is left.
async fn finish(contents: &Arc<Contents>, mut lives: Vec<Vec<Heard>>) -> Vec<Vec<Heard>> {
    let (runtime, _) = open_on(contents).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    // A retry that was cut short continues by itself.
    while let Err(ParkedError::UnderWay { .. }) = mailer.retry_parked("ledger/a").await {
        yield_now().await;
    }
    eventually(|| parked_notes(&runtime) == 0).await;
    assert!(mailer.parked().await.is_empty());
    lives.push(scribe.heard());
    hold_against(&log(&runtime), &lives);
    lives
}

/// The store and the records that outlive a run.
struct Life {
    ledgers: Aggregates<Ledger>,
    scribe: Scribe,
    mailer: Subscription,
    faults: Faults,
}

/// One run until the `nth` commit fails, and a second one that fails soon after its start, so that
/// leftovers are removed in two steps.
async fn cut_at(
    contents: &Arc<Contents>,
    (nth, failure): (u64, Failure),
    work: impl AsyncFn(&Life),
) -> Vec<Vec<Heard>> {
    let mut lives = Vec::new();
    for (number, nth) in [nth, 2].into_iter().enumerate() {
        let (runtime, faults) = open_on(contents).await;
        let (scribe, ledgers) = (Scribe::default(), runtime.host::<Ledger>());
        faults.fail_commit(nth, failure);
        if let Ok(mailer) = mailer(&runtime, &scribe).start().await {
            let life = Life { ledgers, scribe: scribe.clone(), mailer, faults: faults.clone() };
            if number == 0 {
                work(&life).await;
            }
            // Waits until everything that can be handled is handled.
            let is_settled = |status: &FollowerStatus| {
                matches!(status, FollowerStatus::Live | FollowerStatus::Halted { .. })
            };
            until(&life.mailer, is_settled).await;
        }
        cut_power(runtime, &faults).await;
        lives.push(scribe.heard());
    }
    lives
}

/// All events are handled while the store is held, so their notes are removed in full sets.
async fn retry_all_at_once(life: &Life) {
    let hold = life.faults.hold();
    let retrying = life.mailer.retry_parked("ledger/a");
    eventually(|| life.scribe.amounts().contains(&(MANY - 1))).await;
    // The key has no parked events any more.
    let next = send(life.ledgers.execute("a", Command::Add(MANY)));
    hold.release();
    let _ = next.await;
    let _ = retrying.await;
}

#[tokio::test]
async fn a_retried_event_is_not_parked_again_after_later_ones() {
    for failure in [Failure::Unwritten, Failure::Unacknowledged] {
        for nth in 1..=8 {
            let contents = Arc::default();
            park_many(&contents).await;
            let lives = cut_at(&contents, (nth, failure), retry_all_at_once).await;
            finish(&contents, lives).await;
        }
    }
}

#[tokio::test]
async fn an_interrupted_reset_loses_nothing_and_keeps_earlier_parked_events() {
    for failure in [Failure::Unwritten, Failure::Unacknowledged] {
        for nth in 1..=8 {
            let contents = Arc::default();
            park_many(&contents).await;
            let lives = cut_at(&contents, (nth, failure), async |life: &Life| {
                let _ = life.mailer.reset(Start::After(Position::new(7))).await;
                let _ = life.ledgers.execute("a", Command::Add(MANY)).await;
            });
            let lives = lives.await;
            assert!(lives.iter().all(Vec::is_empty), "the first of the key stays parked");
            finish(&contents, lives).await;
        }
    }
}

#[tokio::test]
async fn events_are_parked_or_repeated_while_many_others_are_retried() {
    for nth in 1..=10 {
        let contents = Arc::default();
        park_many(&contents).await;
        let lives = cut_at(&contents, (nth, Failure::Unacknowledged), async |life: &Life| {
            let retrying = life.mailer.retry_parked("ledger/a");
            for number in 0..3 {
                let amounts = (0..200).map(|it| MANY + 200 * number + it).collect();
                let _ = life.ledgers.execute("a", Command::AddAll(amounts)).await;
            }
            let _ = retrying.await;
        });
        finish(&contents, lives.await).await;
    }
}

#[tokio::test]
async fn a_crash_during_the_start_changes_nothing() {
    let contents = Arc::default();
    park_many(&contents).await;
    for _ in 0..3 {
        let (runtime, faults) = open_on(&contents).await;
        let scribe = Scribe::default();
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        assert_eq!(mailer.parked_of("ledger/a").await.len(), MANY as usize);
        cut_power(runtime, &faults).await;
        assert!(scribe.amounts().is_empty());
    }
    let (runtime, _) = open_on(&contents).await;
    add(&runtime.host::<Ledger>(), "a", &[MANY]).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    finish(&contents, Vec::new()).await;
}
