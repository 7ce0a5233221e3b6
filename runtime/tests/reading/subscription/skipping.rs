//! Skipping a parked event: it is never handled, whatever fails after the answer.

use std::sync::Arc;

use actuarius::Position;
use actuarius::store::memory::Contents;
use actuarius::subscription::Start;

use super::parking::parked_notes;
use super::scene::{
    Failing, LONG, Scribe, add, caught_up, cut_power, mailer, stored, until_parked,
};
use crate::common::{Ledger, eventually, open_on};

#[tokio::test]
async fn a_failed_event_may_be_skipped_and_later_ones_are_handled() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(1, Failing::Refuses);
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        add(&ledgers, "a", &[1, 2, 3]).await;
        caught_up(&runtime, &mailer).await;
        assert_eq!(mailer.skip_parked("ledger/a").await, Ok(2));
        assert!(mailer.parked().await.is_empty());
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert!(mailer.parked().await.is_empty());
    assert_eq!(scribe.amounts(), [2, 3]);
}

/// Parks two events while a slow one before them is being handled, so that the checkpoint has not
/// passed them. Then skips the first one, and crashes.
async fn skipped_after_a_slow_event(contents: &Arc<Contents>) {
    let (runtime, faults) = open_on(contents).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    scribe.hold(1);
    scribe.fail(2, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).workers(2).start().await.unwrap();
    add(&ledgers, "slow", &[1]).await;
    add(&ledgers, "a", &[2, 3]).await;
    until_parked(&mailer, "ledger/a", 2).await;
    assert_eq!(mailer.skip_parked("ledger/a").await, Ok(1));
    assert_eq!((scribe.amounts(), stored(&runtime)), (vec![3], 0));
    cut_power(runtime, &faults).await;
}

#[tokio::test]
async fn a_skipped_event_stays_skipped_after_a_crash_before_the_checkpoint_passes_it() {
    let contents = Arc::default();
    skipped_after_a_slow_event(&contents).await;
    for _ in 0..2 {
        let (runtime, _) = open_on(&contents).await;
        let scribe = Scribe::default();
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        caught_up(&runtime, &mailer).await;
        assert!(!scribe.amounts().contains(&2), "{:?}", scribe.amounts());
        assert!(mailer.parked().await.is_empty());
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    let (runtime, _) = open_on(&contents).await;
    assert_eq!(parked_notes(&runtime), 0, "events before the checkpoint need no note");
}

#[tokio::test]
async fn a_skipped_event_is_handled_again_after_a_reset_to_an_earlier_position() {
    let contents = Arc::default();
    skipped_after_a_slow_event(&contents).await;
    let (runtime, _) = open_on(&contents).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    mailer.reset(Start::After(Position::new(1))).await.unwrap();
    scribe.forget();
    mailer.reset(Start::After(Position::new(1))).await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert!(scribe.amounts().ends_with(&[2, 3]), "{:?}", scribe.amounts());
}

#[tokio::test]
async fn a_skip_is_durable_when_it_is_answered_even_with_rare_checkpoints() {
    let contents = Arc::default();
    {
        let (runtime, faults) = open_on(&contents).await;
        let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
        let mailer = mailer(&runtime, &scribe).checkpoint_every(LONG).start().await.unwrap();
        add(&ledgers, "b", &[1]).await;
        eventually(|| stored(&runtime) == 1).await;
        scribe.fail(2, Failing::Refuses);
        add(&ledgers, "a", &[2]).await;
        caught_up(&runtime, &mailer).await;
        assert_eq!(mailer.skip_parked("ledger/a").await, Ok(0));
        cut_power(runtime, &faults).await;
    }
    let (runtime, _) = open_on(&contents).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert!(!scribe.amounts().contains(&2), "{:?}", scribe.amounts());
}
