//! Followers end with their runtime. Callers that wait for one are notified, and a shutdown waits
//! for the followers at work, and for no others.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use actuarius::error::{BoxError, StartError, WaitError};
use actuarius::health::{FollowerStatus, Status};
use actuarius::projection::{Database, EventBatch, InMemory, Projection};
use actuarius::subscription::Subscription;
use actuarius::{Envelope, Position, Runtime};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use crate::common::{Command, Ledger, eventually, is_waiting, send};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A subscription whose handler works on its first event until it is released.
async fn busy(runtime: &Runtime, let_go: &Arc<Semaphore>) -> Subscription {
    let (at_work, mut is_at_work) = mpsc::channel(1);
    let let_go = let_go.clone();
    let handler = move |_: Envelope<Ledger>| {
        let (at_work, let_go) = (at_work.clone(), let_go.clone());
        async move {
            let _ = at_work.try_send(());
            let _ = let_go.acquire().await?;
            Ok::<(), BoxError>(())
        }
    };
    let subscription = runtime.subscribe("mailer").on(handler).start().await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    is_at_work.recv().await.expect("it is handled");
    subscription
}

async fn busy_until_released(runtime: &Runtime) -> Subscription {
    busy(runtime, &Arc::new(Semaphore::new(0))).await
}

/// Asserts that a subscription is over for all callers.
async fn has_ended(subscription: &Subscription) {
    subscription.stop().await;
    assert_eq!(subscription.status(), FollowerStatus::Stopped);
    let error = subscription.wait_for_within(Position::new(1), LONG).await.unwrap_err();
    assert_eq!(error, WaitError::Stopped { name: "mailer".to_owned() });
}

/// The deadline of a shutdown passes while a handler is at work. The actor is killed, so nothing
/// reported that the subscription has stopped: `stop` would have waited permanently.
#[tokio::test]
async fn a_subscription_that_outlasts_the_deadline_of_a_shutdown_has_stopped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_until_released(&runtime).await;
    let report = runtime.shutdown(Duration::ZERO).await;
    assert_eq!(report.still_following, 1, "{report:?}");
    has_ended(&subscription).await;
}

/// The same without a shutdown: the last handle of the runtime is dropped.
#[tokio::test]
async fn a_subscription_of_a_dropped_runtime_has_stopped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_until_released(&runtime).await;
    drop(runtime);
    has_ended(&subscription).await;
}

/// A caller that already waits is notified of the end, too, before its timeout.
#[tokio::test]
async fn callers_that_wait_are_notified_when_the_runtime_is_dropped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let subscription = busy_until_released(&runtime).await;
    let waiting = tokio::spawn({
        let subscription = subscription.clone();
        async move { subscription.wait_for_within(Position::new(1), LONG).await }
    });
    tokio::task::yield_now().await;
    drop(runtime);
    assert!(matches!(waiting.await.unwrap(), Err(WaitError::Stopped { .. })));
}

/// A database that blocks in storing a batch until it is released.
struct Held {
    at_work: SyncSender<()>,
    let_go: Receiver<()>,
}

impl Held {
    fn wait<T>(&mut self) -> Result<T, BoxError> {
        let _ = self.at_work.try_send(());
        let _ = self.let_go.recv();
        Err("the start was dropped".into())
    }
}

impl Database for Held {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(Position::NONE)
    }

    fn project(&mut self, _: &EventBatch<'_>) -> Result<(), BoxError> {
        self.wait()
    }
}

/// The thread of the database continues, but the projection is over.
#[tokio::test]
async fn a_projection_that_outlasts_the_deadline_of_a_shutdown_has_stopped() {
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

/// The second shutdown found no followers, closed the runtime immediately and aborted the handlers
/// that the first one waited for. Health reported no followers, too.
#[tokio::test]
async fn a_second_shutdown_waits_for_the_same_handlers_as_the_first() {
    let (runtime, let_go) = (Runtime::in_memory().await.unwrap(), Arc::new(Semaphore::new(0)));
    let subscription = busy(&runtime, &let_go).await;
    let mut first = send(Box::pin(runtime.shutdown(LONG)));
    let mut second = send(Box::pin(runtime.shutdown(LONG)));
    let health = runtime.health();
    assert!(matches!(health.status, Status::Running), "handlers may need commands");
    assert_eq!(health.followers.len(), 1);
    let error = runtime.caught_up(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, WaitError::TimedOut { .. }), "{error}");
    assert!(is_waiting(&mut first) && is_waiting(&mut second));
    let_go.add_permits(1);
    assert!(first.await.is_clean());
    assert!(second.await.is_clean());
    assert_eq!(subscription.position(), Position::new(1));
}

#[tokio::test]
async fn no_follower_starts_after_a_shutdown_has_begun() {
    let runtime = Runtime::in_memory().await.unwrap();
    assert!(runtime.shutdown(LONG).await.is_clean());
    let handler = |_: Envelope<Ledger>| async { Ok::<(), BoxError>(()) };
    let error = runtime.subscribe("mailer").on(handler).start().await.unwrap_err();
    assert!(matches!(error, StartError::ShuttingDown), "{error}");
}

/// A database that blocks when its position is read until it is released, and then fails.
struct Refusing(Held);

impl Database for Refusing {
    fn position(&mut self) -> Result<Position, BoxError> {
        self.0.wait()
    }

    fn project(&mut self, _: &EventBatch<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Its name was registered and never released, so the shutdown waited for it until the deadline.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_projection_whose_start_fails_during_it() {
    let (at_work, is_at_work) = sync_channel(1);
    let (held, let_go) = sync_channel(0);
    let runtime = Runtime::in_memory().await.unwrap();
    let report = runtime.database("report", Refusing(Held { at_work, let_go })).on::<Ledger>();
    let starting = tokio::spawn(report.start());
    eventually(|| is_at_work.try_recv().is_ok()).await;
    let shutdown = send(Box::pin(runtime.shutdown(LONG)));
    drop(held);
    assert!(matches!(starting.await.unwrap(), Err(StartError::Database { .. })));
    assert!(shutdown.await.is_clean());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_projection_whose_start_was_dropped_during_it() {
    let (at_work, is_at_work) = sync_channel(1);
    let (_held, let_go) = sync_channel(0);
    let runtime = Runtime::in_memory().await.unwrap();
    let report = runtime.database("report", Refusing(Held { at_work, let_go })).on::<Ledger>();
    let starting = tokio::spawn(report.start());
    eventually(|| is_at_work.try_recv().is_ok()).await;
    let shutdown = send(Box::pin(runtime.shutdown(LONG)));
    starting.abort();
    assert!(starting.await.is_err_and(|it| it.is_cancelled()));
    assert!(shutdown.await.is_clean());
}

/// The handler took the whole deadline: aggregates got no snapshot, and views were not saved.
#[tokio::test]
async fn a_handler_that_never_ends_leaves_half_of_the_deadline_to_the_others() {
    let runtime = Runtime::in_memory().await.unwrap();
    let _mailer = busy_until_released(&runtime).await;
    let _count = count(&runtime).await;
    // The deadline is real time: the handler uses up 10 seconds, and the others need milliseconds.
    let report = runtime.shutdown(Duration::from_secs(20)).await;
    assert_eq!((report.still_following, report.still_resident), (1, 0), "{report:?}");
}

/// The number of events.
#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Projection<Ledger> for Count {
    fn project(&mut self, _: &Envelope<Ledger>) {
        self.0 += 1;
    }
}

async fn count(runtime: &Runtime) -> InMemory<Count> {
    runtime.projection("count").on::<Ledger>().start().await.unwrap()
}

/// Starts a view that is blocked before the first of ten events.
async fn paused(runtime: &Runtime) -> InMemory<Count> {
    let (view, ledgers) = (count(runtime).await, runtime.host::<Ledger>());
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    ledgers.execute("a", Command::AddAll(vec![1; 10])).await.unwrap();
    // No aggregate is loaded any more, so the shutdown reaches the projections immediately.
    ledgers.passivate("a").unwrap();
    eventually(|| ledgers.resident() == 0).await;
    view
}

/// A shutdown ended the projection at any event; the missing ones were replayed at the next start.
#[tokio::test]
async fn a_projection_processes_all_durable_events_before_a_shutdown_ends_it() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = paused(&runtime).await;
    view.resume();
    assert!(runtime.shutdown(LONG).await.is_clean());
    assert_eq!(view.read_at(|count, position| (count.0, position)), (10, Position::new(10)));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_projection_that_is_paused() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = paused(&runtime).await;
    assert!(runtime.shutdown(LONG).await.is_clean());
    assert_eq!(view.read(|count| count.0), 0);
}
