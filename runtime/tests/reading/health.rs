//! Health: what makes a service unready, what needs an operator, and what it counts.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::health::{Health, Status, Trouble};
use actuarius::projection::{Database, EventBatch};
use actuarius::store::fault::Failure;
use actuarius::{Position, Runtime};

use crate::common::{Command, Ledger, eventually, open_on, send};
use crate::subscription::scene::{Failing, Scribe, add, caught_up, halting, mailer, until_halted};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn is(health: &Health) -> (bool, bool, bool) {
    (health.is_alive(), health.is_ready(), health.is_good())
}

fn texts(health: &Health) -> Vec<String> {
    health.troubles().iter().map(ToString::to_string).collect()
}

/// A probe on `is_good` stayed green while events waited for an operator.
#[tokio::test]
async fn a_parked_event_needs_an_operator_and_the_service_stays_ready() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    assert_eq!(is(&runtime.health()), (true, true, true));
    let ledgers = runtime.host::<Ledger>();
    [1, 2].into_iter().for_each(|amount| scribe.fail(amount, Failing::Refuses));
    add(&ledgers, "a", &[1, 3, 3]).await;
    add(&ledgers, "b", &[2]).await;
    caught_up(&runtime, &mailer).await;
    let health = runtime.health();
    assert_eq!(is(&health), (true, true, false));
    assert_eq!(texts(&health), ["mailer has parked events of 2 keys"]);
    let follower = &health.followers[0];
    assert_eq!((follower.parked_keys, follower.parked_events), (2, 4));

    [1, 2].into_iter().for_each(|amount| scribe.mend(amount));
    mailer.retry_parked("ledger/a").await.unwrap();
    mailer.skip_parked("ledger/b").await.unwrap();
    assert_eq!(is(&runtime.health()), (true, true, true));
}

#[tokio::test]
async fn parked_events_are_counted_after_a_restart() {
    let (contents, scribe) = (Arc::default(), Scribe::default());
    scribe.fail(1, Failing::Refuses);
    {
        let (runtime, _) = open_on(&contents).await;
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        add(&runtime.host::<Ledger>(), "a", &[1]).await;
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    let (runtime, _) = open_on(&contents).await;
    assert!(runtime.health().is_good(), "nobody has started the subscription");
    let _mailer = mailer(&runtime, &scribe).start().await.unwrap();
    assert_eq!(texts(&runtime.health()), ["mailer has parked events of 1 keys"]);
}

#[tokio::test]
async fn quarantines_and_halts_need_an_operator_and_the_service_stays_ready() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Refuses);
    let mailer = halting(&runtime, &scribe).await;
    add(&ledgers, "a", &[1]).await;
    until_halted(&mailer).await;
    ledgers.execute("bad", Command::PanicInApply).await.unwrap_err();
    let health = runtime.health();
    assert_eq!(is(&health), (true, true, false));
    let troubles = health.troubles();
    assert!(
        matches!(&troubles[..], [Trouble::Quarantined(it), Trouble::Halted { position, .. }]
            if &*it.id == "bad" && position.get() == 1),
        "{troubles:?}"
    );
}

/// A health report with 1,000 quarantined aggregates did not say whether there were more.
#[tokio::test]
async fn quarantined_aggregates_that_are_not_listed_are_counted() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in 0..1_003 {
        ledgers.execute(id.to_string(), Command::PanicInApply).await.unwrap_err();
    }
    let counts = || {
        let health = runtime.health();
        (health.quarantined.len(), health.more_quarantined)
    };
    assert_eq!(counts(), (1_000, 3));
    let listed = runtime.health().quarantined[0].id.to_string();
    assert_eq!(ledgers.release("1002").ok(), Some(true));
    assert_eq!(ledgers.release(listed).ok(), Some(true));
    assert_eq!(counts(), (999, 2));
}

/// A process whose store has failed was restarted by nothing: readiness was all that a probe could ask for.
#[tokio::test]
async fn a_failed_store_makes_the_service_unready_and_only_a_restart_helps() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    faults.fail_commit(1, Failure::Unwritten);
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap_err();
    eventually(|| matches!(runtime.health().status, Status::Poisoned(_))).await;
    assert_eq!(is(&runtime.health()), (false, false, false));
}

/// A database that stores nothing until it is released.
struct Held(Receiver<()>);

impl Database for Held {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(Position::NONE)
    }

    fn project(&mut self, _: &EventBatch<'_>) -> Result<(), BoxError> {
        // It fails once it is released.
        let _ = self.0.recv();
        Ok(())
    }
}

/// A liveness probe must not kill a process that finishes its work.
#[tokio::test]
async fn a_runtime_that_shuts_down_is_alive_and_unready() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (let_go, held) = sync_channel(0);
    let _report = runtime.database("report", Held(held)).on::<Ledger>().start().await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    let shutdown = send(Box::pin(runtime.shutdown(LONG)));
    eventually(|| matches!(runtime.health().status, Status::ShuttingDown)).await;
    assert_eq!(is(&runtime.health()), (true, false, false));
    drop::<SyncSender<()>>(let_go);
    assert!(shutdown.await.is_clean());
}

/// After a shutdown, a process that had not ended looked alive for hours: the report named no follower and no trouble,
/// and its liveness probe stayed green, although every request failed.
#[tokio::test]
async fn a_runtime_that_was_shut_down_is_closed_and_not_alive() {
    let runtime = Runtime::in_memory().await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    assert!(runtime.shutdown(LONG).await.is_clean());
    let health = runtime.health();
    assert!(matches!(health.status, Status::Closed));
    assert_eq!(is(&health), (false, false, false));
    assert!(runtime.shutdown(LONG).await.is_clean());
    assert!(matches!(runtime.health().status, Status::Closed));
}
