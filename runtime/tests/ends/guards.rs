//! Values and recorders of the user's that panic: the follower reports it, and stops when it is asked to.

use std::future::{Future, IntoFuture};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::health::FollowerStatus;
use actuarius::projection::{Projection, Retry};
use actuarius::store::memory;
use actuarius::{Clock, Envelope, ExecuteError, Failure, Runtime, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::calls::HANGS;
use crate::common::{Command, Ledger};

/// Panics without a report: it is expected, and its report would only be noise.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("expected"))
}

/// A view whose `drop` panics.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Heavy(u64);

impl Drop for Heavy {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.0 > 0 {
            panic();
        }
    }
}

impl Projection<Ledger> for Heavy {
    fn project(&mut self, _: &Envelope<Ledger>) {
        self.0 += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_panics_when_it_is_dropped_does_not_keep_others_waiting() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let heavy = runtime.projection::<Heavy>("heavy").on::<Ledger>().start().await.unwrap();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let _ = timeout(HANGS, heavy.wait_for(runtime.head())).await.expect("it is answered");
    let _ = timeout(HANGS, heavy.rebuild().into_future()).await.expect("it is answered");
    timeout(HANGS, heavy.stop()).await.expect("it stops");
    assert_eq!(heavy.status(), FollowerStatus::Stopped);
    let report = timeout(HANGS, runtime.shutdown(HANGS / 2)).await.expect("it ends");
    assert_eq!(report.still_following, 0, "{report:?}");
    // Its last copy is dropped by the test.
    std::mem::forget(heavy);
}

/// A view whose `default` panics while it is to.
#[derive(Clone, Serialize, Deserialize)]
struct Reluctant;

static REFUSES: AtomicBool = AtomicBool::new(false);

impl Default for Reluctant {
    fn default() -> Self {
        if REFUSES.load(Ordering::SeqCst) {
            panic();
        }
        Self
    }
}

impl Projection<Ledger> for Reluctant {
    fn project(&mut self, _: &Envelope<Ledger>) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_default_panics_fails_its_rebuild_and_its_start() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = runtime.projection::<Reluctant>("view").on::<Ledger>().start().await.unwrap();
    REFUSES.store(true, Ordering::SeqCst);
    let rebuilt = timeout(HANGS, view.rebuild().into_future()).await.expect("it is answered");
    assert!(rebuilt.is_err(), "it cannot be built");
    let start = runtime.projection::<Reluctant>("other").on::<Ledger>().start();
    assert!(timeout(HANGS, start).await.expect("it is answered").is_err());
    timeout(HANGS, view.stop()).await.expect("it stops");
}

/// An error of a handler whose text and whose drop panic.
#[derive(Debug)]
struct Vicious;

impl std::fmt::Display for Vicious {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic()
    }
}

impl std::error::Error for Vicious {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_whose_error_panics_is_parked_like_one_that_fails() {
    let runtime = Runtime::in_memory().await.unwrap();
    let handler = |_: Envelope<Ledger>| async { Err::<(), BoxError>(Box::new(Vicious)) };
    let once = Retry::default().attempts(1);
    let mailer = runtime.subscribe("mailer").on(handler).retry(once).start().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let receipt = ledgers.execute("a", Command::Add(1)).await.unwrap();
    mailer.wait_for_within(receipt.position, Duration::from_secs(60)).await.unwrap();
    assert_eq!(mailer.parked().await.len(), 1);
    timeout(HANGS, mailer.stop()).await.expect("it stops");
}

/// A recorder that panics whenever something is measured or registered.
struct Broken;

impl metrics::Recorder for Broken {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
        panic()
    }

    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
        panic()
    }

    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
        panic()
    }

    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(std::sync::Arc::new(Broken))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(std::sync::Arc::new(Broken))
    }

    fn register_histogram(
        &self,
        _: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        panic()
    }
}

impl metrics::CounterFn for Broken {
    fn increment(&self, _: u64) {
        panic()
    }

    fn absolute(&self, _: u64) {
        panic()
    }
}

impl metrics::GaugeFn for Broken {
    fn increment(&self, _: f64) {
        panic()
    }

    fn decrement(&self, _: f64) {
        panic()
    }

    fn set(&self, _: f64) {
        panic()
    }
}

/// A panic in a recorder ended the actor of an aggregate before it was supervised, and its callers hung. In the
/// committer it would have ended the store.
#[test]
fn a_recorder_that_panics_costs_figures_and_nothing_else() {
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&Broken, || {
        one_thread.block_on(async {
            let runtime = Runtime::builder().on_store(memory::open()).await.unwrap();
            let ledgers = runtime.host::<Ledger>();
            let sum = runtime.projection::<crate::common::Sum>("sum").on::<Ledger>();
            let sum = timeout(HANGS, sum.start()).await.expect("it starts").unwrap();
            for id in ["a", "b"] {
                let command = ledgers.execute(id, Command::Add(1)).consistent_with(&sum);
                timeout(HANGS, command.into_future()).await.expect("it is answered").unwrap();
            }
            timeout(HANGS, sum.stop()).await.expect("it stops");
            let shutdown = runtime.shutdown(HANGS / 2);
            assert!(timeout(HANGS, shutdown).await.expect("it ends").is_clean());
        });
    });
}

/// A clock that panics while it is to.
static HAS_STOPPED: AtomicBool = AtomicBool::new(false);

struct Stopping;

impl Clock for Stopping {
    fn now(&self) -> Timestamp {
        if HAS_STOPPED.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("the clock has stopped"));
        }
        Timestamp::from_micros(1)
    }

    fn moved(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        panic()
    }
}

/// A clock that panicked ended the actor, and after three commands its aggregate was quarantined. The message of the panic
/// was in no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_panics_fails_commands_while_it_does_and_quarantines_nothing() {
    let runtime = Runtime::builder().clock(Stopping).on_store(memory::open()).await.unwrap();
    let saga = runtime.saga::<crate::scene::Errand>().reacts_to::<crate::common::Bell>();
    let saga = timeout(HANGS, saga.sends_nothing().start()).await.expect("it starts").unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    HAS_STOPPED.store(true, Ordering::SeqCst);
    for id in ["a", "b", "a", "b", "a", "b", "a", "b"] {
        let command = ledgers.execute(id, Command::Add(1)).into_future();
        let refused = timeout(HANGS, command).await.expect("it is answered").unwrap_err();
        let ExecuteError::Failed(failure @ Failure::Panicked { .. }) = refused else {
            panic!("{refused}")
        };
        assert_eq!(failure.to_string(), "the clock panicked: the clock has stopped");
    }
    HAS_STOPPED.store(false, Ordering::SeqCst);
    for (id, total) in [("a", 2), ("b", 1)] {
        ledgers.execute(id, Command::Add(1)).await.unwrap();
        assert_eq!(ledgers.query(id, |it| it.total).await.unwrap(), total);
    }
    timeout(HANGS, saga.stop()).await.expect("it stops");
    assert!(runtime.shutdown(HANGS / 2).await.is_clean());
}
