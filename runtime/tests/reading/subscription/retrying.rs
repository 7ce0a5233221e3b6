//! Retries of many parked keys at once: by cause, with progress, and across restarts.

use std::collections::BTreeMap;

use actuarius::Runtime;
use actuarius::inspection;
use actuarius::store::fault::Faults;
use actuarius::store::memory::{self, Contents};
use actuarius::subscription::{ParkedError, Subscription};
use std::sync::Arc;
use tokio_stream::StreamExt;

use super::scene::{Failing, LONG, Scribe, add, caught_up, mailer, until_parked};
use crate::common::{Ledger, eventually, open_on};

/// Parks two events under each of the keys `ledger/0` to `ledger/<keys - 1>`: the amount `10 * key` fails.
async fn park(runtime: &Runtime, scribe: &Scribe, keys: i64, how: Failing) {
    let ledgers = runtime.host::<Ledger>();
    for key in 0..keys {
        scribe.fail(10 * key, how);
        add(&ledgers, &key.to_string(), &[10 * key, 10 * key + 1]).await;
    }
}

async fn keys_parked(mailer: &Subscription) -> Vec<String> {
    mailer.parked().await.iter().map(|first| first.key.to_string()).collect()
}

/// Returns the last digits of the handled amounts of each key.
fn in_order(scribe: &Scribe) -> Vec<(String, Vec<i64>)> {
    let mut handled = BTreeMap::<_, Vec<_>>::new();
    for heard in scribe.heard() {
        handled.entry(heard.id).or_default().push(heard.amount % 10);
    }
    handled.into_iter().collect()
}

/// After an outage an operator had thousands of parked keys, and one call for one key. A loop over the listing retried
/// them one after the other, and stopped at the first that failed again.
#[tokio::test]
async fn all_parked_keys_are_retried_and_what_fails_again_stays_parked() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).workers(4).start().await.unwrap();
    park(&runtime, &scribe, 40, Failing::Refuses).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(mailer.parked().await.len(), 40);

    (0..40).filter(|key| *key != 7).for_each(|key| scribe.mend(10 * key));
    let retried: Vec<_> = mailer.retry_all_parked(|_| true).collect().await;
    let progress: Vec<_> = retried.iter().map(|it| (it.done, it.of)).collect();
    assert_eq!(progress, (1..=40).map(|done| (done, 40)).collect::<Vec<_>>());
    for it in &retried {
        match (&*it.key, &it.outcome) {
            ("ledger/7", Err(ParkedError::StillFails { why, .. })) => {
                assert_eq!(why, "70 is refused");
            }
            (key, outcome) => assert_eq!((key != "ledger/7", outcome), (true, &Ok(2)), "{key}"),
        }
    }
    assert_eq!(keys_parked(&mailer).await, ["ledger/7"]);
    let handled = in_order(&scribe);
    assert_eq!(handled.len(), 39);
    assert!(handled.iter().all(|(_, amounts)| amounts == &[0, 1]), "each key in order, once");
}

/// One cause was fixed, the other was not. A retry of everything called the broken service again for each event.
#[tokio::test]
async fn parked_keys_are_retried_by_cause_and_others_are_not_tried() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for (id, amount, how) in
        [("a", 1, Failing::Refuses), ("b", 2, Failing::Panics), ("c", 3, Failing::Panics)]
    {
        scribe.fail(amount, how);
        add(&ledgers, id, &[amount]).await;
    }
    caught_up(&runtime, &mailer).await;
    [1, 2, 3].into_iter().for_each(|amount| scribe.mend(amount));
    let panicked = mailer.retry_all_parked(|first| first.error.starts_with("the handler panicked"));
    assert_eq!(panicked.map(|it| it.of).collect::<Vec<_>>().await, [2, 2]);
    assert_eq!(scribe.amounts(), [2, 3]);
    let by_key = mailer.retry_all_parked(|first| &*first.key == "ledger/b");
    assert_eq!(by_key.map(|it| it.of).collect::<Vec<_>>().await, [0; 0]);
    assert_eq!(keys_parked(&mailer).await, ["ledger/a"]);
    let health = mailer.health();
    assert_eq!((health.parked_keys, health.parked_events), (1, 1));
}

/// The retry takes at most half of the workers, so new events do not wait for the end of a long one.
#[tokio::test]
async fn events_of_other_keys_are_handled_during_a_retry() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).workers(2).start().await.unwrap();
    park(&runtime, &scribe, 5, Failing::Refuses).await;
    caught_up(&runtime, &mailer).await;
    (0..5).for_each(|key| scribe.mend(10 * key));
    scribe.hold(0);
    let retrying = tokio::spawn(mailer.retry_all_parked(|_| true).collect::<Vec<_>>());
    scribe.until_held(0).await;
    add(&runtime.host::<Ledger>(), "new", &[100]).await;
    eventually(|| scribe.amounts() == [100]).await;
    scribe.let_go(0);
    assert_eq!(retrying.await.unwrap().len(), 5);
    assert!(mailer.parked().await.is_empty());
}

/// After a stop, each of the waiting keys was reported as failed: 16,383 lines for one reason.
#[tokio::test]
async fn a_retry_ends_when_its_subscription_stops() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    park(&runtime, &scribe, 5, Failing::Refuses).await;
    caught_up(&runtime, &mailer).await;
    let mut retrying = mailer.retry_all_parked(|_| true);
    assert!(matches!(retrying.next().await.unwrap().outcome, Err(ParkedError::StillFails { .. })));
    mailer.stop().await;
    let rest: Vec<_> = retrying.collect().await;
    assert!(rest.iter().all(|it| it.outcome == Err(ParkedError::Stopped)), "{rest:?}");
    assert_eq!(rest.len(), 1);
}

async fn parked_on(contents: &Arc<Contents>, scribe: &Scribe) -> (Runtime, Faults, Subscription) {
    let (runtime, faults) = open_on(contents).await;
    let mailer = mailer(&runtime, scribe).start().await.unwrap();
    (runtime, faults, mailer)
}

/// The process ended while a key was retried: its first event was handled, the others waited for the next call of an
/// operator who did not know.
#[tokio::test]
async fn a_retry_that_was_interrupted_continues_at_the_next_start() {
    let (contents, scribe) = (Arc::default(), Scribe::default());
    {
        let (runtime, _, mailer) = parked_on(&contents, &scribe).await;
        scribe.fail(1, Failing::Refuses);
        scribe.fail(4, Failing::Refuses);
        add(&runtime.host::<Ledger>(), "a", &[1, 2, 3]).await;
        add(&runtime.host::<Ledger>(), "b", &[4]).await;
        until_parked(&mailer, "ledger/a", 3).await;
        caught_up(&runtime, &mailer).await;
        scribe.mend(1);
        scribe.hold(2);
        let retrying = tokio::spawn(mailer.retry_parked("ledger/a"));
        scribe.until_held(2).await;
        // The first one is no longer parked, durably; then the process ends.
        until_parked(&mailer, "ledger/a", 2).await;
        let stored = || inspection::parked(&*runtime.reader().unwrap(), "mailer").unwrap();
        eventually(|| stored()[0].position.get() == 2).await;
        let _ = runtime.shutdown(std::time::Duration::ZERO).await;
        assert_eq!(retrying.await.unwrap(), Err(ParkedError::Stopped));
    }
    scribe.let_go(2);
    let (_runtime, _, mailer) = parked_on(&contents, &scribe).await;
    eventually(|| scribe.amounts() == [1, 2, 3]).await;
    // What had failed, and was not retried, waits as before.
    while keys_parked(&mailer).await != ["ledger/b"] {
        tokio::task::yield_now().await;
    }
}

/// The tool has no handlers. It marks what the next start of the subscription retries.
#[tokio::test]
async fn keys_marked_in_a_closed_store_are_retried_at_the_next_start() {
    let (contents, scribe) = (Arc::default(), Scribe::default());
    {
        let (runtime, _, mailer) = parked_on(&contents, &scribe).await;
        park(&runtime, &scribe, 4, Failing::Refuses).await;
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    {
        let mut store = memory::reopen(&contents);
        let of = |first: &actuarius::subscription::Parked| &*first.key != "ledger/2";
        assert_eq!(inspection::retry_parked_at_start(&mut store, "mailer", of).unwrap(), 3);
        let nobody = inspection::retry_parked_at_start(&mut store, "nobody", of).unwrap();
        assert_eq!(nobody, 0);
        let parked = inspection::parked(&*store.reader, "mailer").unwrap();
        let attempts: Vec<_> = parked.iter().map(|it| it.attempts).collect();
        assert_eq!(attempts, [0, 0, 5, 0]);
    }
    [0, 10, 20].into_iter().for_each(|amount| scribe.mend(amount));
    let (runtime, _, mailer) = parked_on(&contents, &scribe).await;
    while mailer.parked().await.iter().any(|first| first.attempts == 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(keys_parked(&mailer).await, ["ledger/2", "ledger/3"]);
    assert_eq!(in_order(&scribe), [("0".to_owned(), vec![0, 1]), ("1".to_owned(), vec![0, 1])]);
    assert!(runtime.shutdown(LONG).await.is_clean());
}

/// A subscription that an operator has paused calls nothing, not even at its next start.
#[tokio::test]
async fn what_is_to_be_retried_waits_while_the_subscription_is_paused() {
    let (contents, scribe) = (Arc::default(), Scribe::default());
    {
        let (runtime, _, mailer) = parked_on(&contents, &scribe).await;
        park(&runtime, &scribe, 1, Failing::Refuses).await;
        caught_up(&runtime, &mailer).await;
        mailer.pause().await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    let mut store = memory::reopen(&contents);
    assert_eq!(inspection::retry_parked_at_start(&mut store, "mailer", |_| true).unwrap(), 1);
    drop(store);
    scribe.mend(0);
    let (_runtime, _, mailer) = parked_on(&contents, &scribe).await;
    assert_eq!(keys_parked(&mailer).await, ["ledger/0"]);
    assert!(scribe.amounts().is_empty());
    mailer.resume();
    eventually(|| scribe.amounts() == [0, 1]).await;
}
