//! Parking: a failing event and later ones of its key wait, other keys continue, and a retry
//! handles them in order.

use std::sync::Arc;

use actuarius::clock::ManualClock;
use actuarius::health::FollowerStatus;
use actuarius::subscription::ParkedError;
use actuarius::{Runtime, Timestamp};

use super::scene::{Failing, LONG, Scribe, add, caught_up, mailer, stored};
use crate::common::{Command, Ledger, eventually, open_on, send};

#[tokio::test]
async fn an_event_that_fails_too_often_is_parked_with_later_ones_and_other_keys_continue() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(17)));
    let runtime = Runtime::builder().clock(clock).in_memory().await.unwrap();
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    scribe.fail(2, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1, 2, 3]).await;
    add(&ledgers, "b", &[4]).await;
    add(&ledgers, "a", &[5]).await;
    caught_up(&runtime, &mailer).await;

    assert_eq!(scribe.amounts(), [1, 4]);
    assert_eq!(mailer.status(), FollowerStatus::Live);
    let parked = mailer.parked_of("ledger/a").await;
    assert!(!parked.more);
    let seen: Vec<_> =
        parked.iter().map(|it| (it.position.get(), it.attempts, &*it.error, it.behind)).collect();
    assert_eq!(seen, [(2, 5, "2 is refused", 2), (3, 0, "", 1), (5, 0, "", 0)]);
    let first = &parked[0];
    assert_eq!(mailer.parked().await, std::slice::from_ref(first));
    assert_eq!((&*first.key, &*first.event_type), ("ledger/a", "Added"));
    assert_eq!((first.stream.id(), first.parked_at.as_micros()), ("a", 17));
}

#[tokio::test]
async fn a_retry_handles_parked_events_in_order_and_frees_the_key() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    ledgers.execute("a", Command::AddAll(vec![1, 2, 3])).await.unwrap();
    caught_up(&runtime, &mailer).await;

    scribe.mend(1);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(3));
    assert!(mailer.parked().await.is_empty());
    assert_eq!(parked_notes(&runtime), 0);
    add(&ledgers, "a", &[4]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2, 3, 4]);
    let nothing = mailer.retry_parked("ledger/a").await;
    assert_eq!(nothing, Err(ParkedError::NotParked { key: "ledger/a".to_owned() }));
}

#[tokio::test]
async fn a_parked_event_that_fails_again_stays_first_with_its_latest_error() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(1, Failing::Refuses);
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        add(&ledgers, "a", &[1, 2, 3]).await;
        caught_up(&runtime, &mailer).await;
        scribe.mend(1);
        scribe.fail(2, Failing::Panics);
        match mailer.retry_parked("ledger/a").await {
            Err(ParkedError::StillFails { position, why }) => {
                assert_eq!(position.get(), 2);
                assert_eq!(why, "the handler panicked: the handler burst");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(scribe.amounts(), [1]);
        // There is no shutdown: everything that was answered is durable.
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let parked = mailer.parked_of("ledger/a").await;
    let seen: Vec<_> = parked.iter().map(|it| (it.position.get(), it.attempts)).collect();
    assert_eq!(seen, [(2, 1), (3, 0)]);
    assert_eq!(&*parked[0].error, "the handler panicked: the handler burst");
}

#[tokio::test]
async fn parked_events_survive_a_restart_and_block_later_events_of_their_key() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(1, Failing::Refuses);
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        add(&ledgers, "a", &[1, 2]).await;
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    scribe.mend(1);
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[3]).await;
    add(&ledgers, "b", &[4]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [4]);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(3));
    assert_eq!(scribe.amounts(), [4, 1, 2, 3]);
}

#[tokio::test]
async fn events_that_arrive_while_their_key_is_retried_are_handled_after_it() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).workers(4).start().await.unwrap();
    add(&ledgers, "a", &[1, 2]).await;
    caught_up(&runtime, &mailer).await;

    scribe.mend(1);
    scribe.hold(1);
    let retrying = send(Box::pin(mailer.retry_parked("ledger/a")));
    let twice = mailer.retry_parked("ledger/a").await;
    assert_eq!(twice, Err(ParkedError::UnderWay { key: "ledger/a".to_owned() }));
    add(&ledgers, "a", &[3]).await;
    caught_up(&runtime, &mailer).await;
    assert!(scribe.amounts().is_empty());
    scribe.let_go(1);
    assert_eq!(retrying.await, Ok(3));
    assert_eq!(scribe.amounts(), [1, 2, 3]);
}

#[tokio::test]
async fn handling_parked_events_does_not_move_the_cursor() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    add(&ledgers, "b", &[2]).await;
    caught_up(&runtime, &mailer).await;
    mailer.pause().await;
    scribe.mend(1);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(1));
    assert_eq!((mailer.position().get(), stored(&runtime)), (2, 2));
    assert_eq!(mailer.status(), FollowerStatus::Paused);
}

#[tokio::test]
async fn many_parked_keys_are_stored_with_the_checkpoint_that_passes_them() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    let keys = 700;
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        scribe.fail(1, Failing::Refuses);
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        for key in 0..keys {
            add(&ledgers, &format!("{key}-{}", "x".repeat(500)), &[1]).await;
        }
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    assert_eq!((mailer.position().get(), mailer.parked().await.len()), (keys, keys as usize));
    eventually(|| mailer.status() == FollowerStatus::Live).await;
}

/// Returns the number of notes of parked events.
pub(crate) fn parked_notes(runtime: &Runtime) -> usize {
    runtime.reader().unwrap().notes(b"parked/", None, 10_000).unwrap().len()
}
