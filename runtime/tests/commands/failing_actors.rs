//! An aggregate whose actor fails is restarted, and put out of service if it keeps failing; its callers are
//! answered each time.

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::error::QuarantineReason;
use actuarius::store::{fault, memory};
use actuarius::{Aggregate, Context, ExecuteError, Failure, Runtime};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::span;

use crate::common::{Command, Ledger, send, until_held};

/// Long enough that only a caller that is never answered fails the test.
const NEVER: Duration = Duration::from_secs(60);

thread_local! {
    /// How many more turns panic on this thread.
    static PANICS: Cell<u32> = const { Cell::new(0) };
    /// Whether the layer has received a turn of this thread.
    static SEEN: Cell<bool> = const { Cell::new(false) };
}

/// A tracing layer with a defect: it panics when a turn begins.
struct Defect;

impl tracing::Subscriber for Defect {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.name() == "turn"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        SEEN.set(true);
        if let Some(left) = PANICS.get().checked_sub(1) {
            PANICS.set(left);
            resume_unwind(Box::new("a defect of a tracing layer"));
        }
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn failure<E>(error: ExecuteError<E>) -> Failure {
    error.failure().expect("not a rejection").clone()
}

/// No test noticed whether an actor that failed was ever started again.
#[tokio::test]
async fn an_actor_that_fails_is_restarted_and_after_three_failures_its_aggregate_is_quarantined() {
    let _defect = tracing::subscriber::set_default(Defect);
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let add =
        || async { timeout(NEVER, ledgers.execute("a", Command::Add(1))).await.expect("answered") };
    // tracing keeps for each span whether a layer wants it. A test on another thread, which has no layer, may
    // have stored "no" for the span of a turn; this thread then computes it again.
    for _ in 0..100 {
        tracing::callsite::rebuild_interest_cache();
        add().await.unwrap();
    }
    assert!(SEEN.get(), "the layer receives turns");
    let before = add().await.unwrap().version.get();
    PANICS.set(2);
    for _ in 0..2 {
        assert!(matches!(failure(add().await.unwrap_err()), Failure::Indeterminate(_)));
    }
    let after = add().await.unwrap().version.get();
    assert_eq!(after, before + 1, "nothing of the failed turns was stored");
    PANICS.set(3);
    for _ in 0..3 {
        assert!(matches!(failure(add().await.unwrap_err()), Failure::Indeterminate(_)));
    }
    let Failure::Quarantined(why) = failure(add().await.unwrap_err()) else { panic!("in service") };
    assert_eq!(why.reason, QuarantineReason::KeepsFailing(3));
    assert!(ledgers.release("a").unwrap());
    assert_eq!(add().await.unwrap().version.get(), after + 1);
}

static DEFAULT_PANICS: AtomicBool = AtomicBool::new(false);

/// An aggregate whose `Default` may panic.
#[derive(Serialize, Deserialize)]
struct Fragile;

impl Default for Fragile {
    fn default() -> Self {
        if DEFAULT_PANICS.load(Ordering::SeqCst) {
            resume_unwind(Box::new("no default"));
        }
        Self
    }
}

#[derive(Serialize, Deserialize)]
enum Touched {
    Touched,
}

impl Aggregate for Fragile {
    const TYPE: &'static str = "fragile";
    type Command = ();
    type Event = Touched;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Touched>, Infallible> {
        Ok(vec![Touched::Touched])
    }

    fn apply(&mut self, _: &Touched) {}
}

/// A panic while an aggregate was recovered was once reported as a shutdown, which callers repeat without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_during_a_recovery_is_reported_as_what_it_is() {
    let runtime = Runtime::in_memory().await.unwrap();
    let fragile = runtime.host::<Fragile>();
    DEFAULT_PANICS.store(true, Ordering::SeqCst);
    let error = timeout(NEVER, fragile.execute("a", ())).await.expect("answered").unwrap_err();
    let Failure::Quarantined(why) = failure(error) else { panic!("it was recovered") };
    assert_eq!(why.reason, QuarantineReason::RecoveryPanicked("no default".to_owned()));
    DEFAULT_PANICS.store(false, Ordering::SeqCst);
    assert!(fragile.release("a").unwrap());
    assert!(fragile.execute("a", ()).await.is_ok());
}

/// A defect in `apply` that met millions of ids once kept a slot for each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_of_too_many_quarantined_aggregates_is_forgotten() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in 0..=10_000 {
        let error = ledgers.execute(id.to_string(), Command::PanicInApply).await.unwrap_err();
        assert!(matches!(failure(error), Failure::Quarantined(_)));
    }
    assert!(ledgers.execute("0", Command::Add(1)).await.is_ok(), "it is recovered again");
    let error = ledgers.execute("10000", Command::Add(1)).await.unwrap_err();
    assert!(matches!(failure(error), Failure::Quarantined(_)));
}

/// Appends that waited for a slow disk were bounded in number, not in bytes. Aggregates that wait for room
/// must not hold requests that a shutdown then cannot answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_that_wait_for_room_are_answered_by_a_shutdown() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    // One is being written, and five exceed 64 MiB.
    let large: Vec<_> =
        (0..6).map(|id| send(ledgers.execute(id.to_string(), Command::Blob(15 << 20)))).collect();
    let hold = until_held(hold).await;
    let late = send(ledgers.execute("late", Command::Add(1)));
    let report = runtime.shutdown(Duration::ZERO).await;
    assert!(report.unanswered > 0, "{report:?}");
    let answer = timeout(NEVER, late).await.expect("answered while the disk stands still");
    assert!(matches!(failure(answer.unwrap_err()), Failure::Unavailable(_)));
    drop(hold);
    for waiting in large {
        let _ = timeout(NEVER, waiting).await.expect("answered");
    }
}
