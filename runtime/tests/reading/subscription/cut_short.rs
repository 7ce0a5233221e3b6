//! Notes about hundreds of parked events take several sets. The power fails behind each of them.

use std::sync::Arc;

use actuarius::persistence::fault::{Failure, Faults};
use actuarius::persistence::memory::Contents;
use actuarius::{Aggregates, FollowerStatus, Position, Start, Subscription};

use super::lives::hold_against;
use super::parking::parked_notes;
use super::scene::{Failing, Heard, LONG, Scribe, add, caught_up, cut_power, log, mailer, until};
use crate::common::{Command, Ledger, eventually, open_on, send};

/// More than three sets of notes hold.
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

/// A last life, in which nothing fails: everything is handled that was not.
async fn finish(contents: &Arc<Contents>, mut lives: Vec<Vec<Heard>>) -> Vec<Vec<Heard>> {
    let (runtime, _) = open_on(contents).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    let _ = mailer.retry_parked("ledger/a").await;
    assert!(mailer.parked().await.is_empty());
    assert_eq!(parked_notes(&runtime), 0);
    lives.push(scribe.heard());
    hold_against(&log(&runtime), &lives);
    lives
}

/// What a life has to work with.
struct Life {
    ledgers: Aggregates<Ledger>,
    scribe: Scribe,
    mailer: Subscription,
    faults: Faults,
}

/// A life in which work is done until the `nth` commit fails, and one that only begins, and is cut
/// short as well, so that it removes what is left over in two goes.
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
            // What is free by then is handled, or nothing is any more.
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

/// All are handled while no commit gets through, so their notes are removed in sets that are full.
async fn retry_all_at_once(life: &Life) {
    let hold = life.faults.hold();
    let retrying = life.mailer.retry_parked("ledger/a");
    eventually(|| life.scribe.amounts().contains(&(MANY - 1))).await;
    // The key is free by now.
    let next = send(life.ledgers.execute("a", Command::Add(MANY)));
    hold.release();
    let _ = next.await;
    let _ = retrying.await;
}

#[tokio::test]
async fn what_was_handled_after_all_is_not_parked_again_behind_what_came_later() {
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
async fn a_reset_that_is_cut_short_loses_nothing_and_keeps_what_is_parked_before_the_place() {
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
async fn events_are_parked_or_come_again_while_many_others_are_handled_after_all() {
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
async fn a_life_that_is_cut_where_it_begins_leaves_all_as_it_was() {
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
