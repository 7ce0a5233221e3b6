//! A follower ends with its runtime, whatever it is doing then: who waits for it hears of its end.

mod common;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use actuarius::{
    BoxError, Database, Envelope, EventBatch, FollowerStatus, Position, Runtime, Subscription,
    WaitError,
};
use common::{Command, Ledger, eventually};
use tokio::sync::mpsc;

/// Longer than any test takes: who waits so long waits in vain.
const LONG: Duration = Duration::from_secs(600);

/// A subscription whose handler is at work on its first event, and never ends.
async fn busy_for_ever(runtime: &Runtime) -> Subscription {
    let (at_work, mut is_at_work) = mpsc::channel(1);
    let handler = move |_: Envelope<Ledger>| {
        let at_work = at_work.clone();
        async move {
            let _ = at_work.send(()).await;
            std::future::pending::<Result<(), BoxError>>().await
        }
    };
    let subscription = runtime.subscribe("mailer").on(handler).start().await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    is_at_work.recv().await.expect("it is handled");
    subscription
}

/// What everyone sees of a subscription that is over.
async fn has_ended(subscription: &Subscription) {
    subscription.stop().await;
    assert_eq!(subscription.status(), FollowerStatus::Stopped);
    let error = subscription.wait_for(Position::new(1), LONG).await.unwrap_err();
    assert_eq!(error, WaitError::Stopped { name: "mailer".to_owned() });
}

/// The deadline of a shutdown is over while a handler is at work. The actor is killed in the middle
/// of it, and nobody is left who could say that it has stopped: `stop` would wait for ever.
#[tokio::test]
async fn a_subscription_that_a_shutdown_could_not_wait_for_has_stopped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_for_ever(&runtime).await;
    let report = runtime.shutdown(Duration::ZERO).await;
    assert_eq!(report.still_following, 1, "{report:?}");
    has_ended(&subscription).await;
}

/// The same without a shutdown: the last handle of the runtime is dropped.
#[tokio::test]
async fn a_subscription_whose_runtime_is_dropped_has_stopped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_for_ever(&runtime).await;
    drop(runtime);
    has_ended(&subscription).await;
}

/// Who waited before it ended hears of the end, too, and does not wait until the time is over.
#[tokio::test]
async fn who_waits_while_the_runtime_is_dropped_is_told() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_for_ever(&runtime).await;
    let waiting = tokio::spawn({
        let subscription = subscription.clone();
        async move { subscription.wait_for(Position::new(1), LONG).await }
    });
    tokio::task::yield_now().await;
    drop(runtime);
    assert!(matches!(waiting.await.unwrap(), Err(WaitError::Stopped { .. })));
}

/// A database that is asked to store a batch and waits until it is let go.
struct Held {
    at_work: SyncSender<()>,
    let_go: Receiver<()>,
}

impl Database for Held {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(Position::NONE)
    }

    fn project(&mut self, _: &EventBatch<'_>) -> Result<(), BoxError> {
        let _ = self.at_work.try_send(());
        let _ = self.let_go.recv();
        Err("it was given up".into())
    }
}

/// The thread of the database goes on by itself; the projection is over all the same.
#[tokio::test]
async fn a_projection_that_a_shutdown_could_not_wait_for_has_stopped() {
    let (at_work, is_at_work) = sync_channel(1);
    let (_held, let_go) = sync_channel(0);
    let runtime = Runtime::in_memory().await.unwrap();
    let report = runtime.database("report", Held { at_work, let_go }).on::<Ledger>();
    let report = report.start().await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    eventually(|| is_at_work.try_recv().is_ok()).await;
    assert_eq!(runtime.shutdown(Duration::ZERO).await.still_following, 1);
    report.stop().await;
    assert_eq!(report.status(), FollowerStatus::Stopped);
    let error = report.wait_for(Position::new(1)).await.unwrap_err();
    assert_eq!(error, WaitError::Stopped { name: "report".to_owned() });
}
