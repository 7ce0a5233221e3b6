//! A runtime whose store has failed answers queries and shuts down, but gives no answer that
//! depends on lost events.

use std::io;
use std::sync::Arc;

use actuarius::error::Written;
use actuarius::health::Status;
use actuarius::store::fault::Failure as Failing;
use actuarius::store::memory;
use actuarius::store::{Append, AppendOutcome, Batch, Refusal, Store, StoreFailure, Writer};
use actuarius::{Aggregates, ExecuteError, Failure, Receipt, Runtime, Version};

use crate::common::{Command, Ledger, Refused, eventually, open_on, send};

type Answer = Result<Receipt, ExecuteError<Refused>>;

fn failure(answer: &Answer) -> &Failure {
    answer.as_ref().expect_err("the store has failed").failure().expect("not a rejection")
}

/// A rejection, a query and a command without events write nothing, but their answers depend on the
/// command before them, which was lost. So none of them is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_depends_on_a_lost_command_is_withheld() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let before = send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let lost = send(ledgers.execute("a", Command::Add(2)).command_id("lost"));
    let again = send(ledgers.execute("a", Command::Add(2)).command_id("lost"));
    let seen = send(ledgers.query("a", |it| it.total));
    let refused = send(ledgers.execute("a", Command::Refuse));
    let nothing = send(ledgers.execute("a", Command::Nothing));
    faults.fail_commit(1, Failing::Unacknowledged);
    hold.release();
    before.await.unwrap();
    // Sent twice within one turn: either one may have been written.
    assert_eq!(failure(&lost.await).written(), Written::Perhaps);
    assert_eq!(failure(&again.await).written(), Written::Perhaps);
    assert!(matches!(seen.await, Err(Failure::Poisoned(_))));
    assert!(matches!(failure(&refused.await), Failure::Poisoned(_)));
    assert!(matches!(failure(&nothing.await), Failure::Poisoned(_)));
    assert_eq!(ledgers.query("a", |it| it.entries.clone()).await.unwrap(), [1]);
}

/// An aggregate that was never loaded can still be queried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_from_durable_state_after_the_failure() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    runtime.host::<Ledger>().execute("cold", Command::Add(7)).await.unwrap();
    drop(runtime);
    let (runtime, faults) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    faults.fail_commit(1, Failing::Unwritten);
    ledgers.execute("hot", Command::Add(1)).await.unwrap_err();
    assert_eq!(ledgers.query("cold", |it| it.total).await.unwrap(), 7);
    assert_eq!(ledgers.query("hot", |it| it.total).await.unwrap(), 0);
    assert_eq!(ledgers.events("cold", Version::NONE).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_fails_to_be_written_stops_the_store_too() {
    let contents = Arc::default();
    let (runtime, faults) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    let receipt = ledgers.execute("a", Command::Add(1)).await.unwrap();
    faults.fail_commit(1, Failing::Unacknowledged);
    ledgers.passivate("a").unwrap();
    eventually(|| matches!(runtime.health().status, Status::Poisoned(_))).await;
    let error = ledgers.execute("a", Command::Add(2)).await;
    assert!(matches!(failure(&error), Failure::Poisoned(_)));
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 1);
    let (runtime, _) = open_on(&contents).await;
    let next = runtime.host::<Ledger>().execute("a", Command::Add(2)).await.unwrap();
    assert_eq!(next.version, receipt.version.next());
}

/// A writer in memory that fails in its own way.
struct Troubled {
    writer: Box<dyn Writer>,
    trouble: Trouble,
}

#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    Panics,
    CannotSettle,
    /// The index page of stream `x` is damaged.
    CannotFindX,
}

impl Writer for Troubled {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        assert!(self.trouble != Trouble::Panics, "the writer went wrong");
        if self.trouble != Trouble::CannotFindX {
            return self.writer.commit(batch);
        }
        let is_unreadable = |append: &Append| append.stream().id() == "x";
        let mut readable = batch.clone();
        readable.appends.retain(|append| !is_unreadable(append));
        let mut stored = self.writer.commit(&readable)?.into_iter();
        let unreadable = || Err(Refusal::Unreadable(io::Error::other("a damaged page").into()));
        let outcome = |it| if is_unreadable(it) { unreadable() } else { stored.next().unwrap() };
        Ok(batch.appends.iter().map(outcome).collect())
    }

    fn settle(&mut self) -> Result<(), StoreFailure> {
        match self.trouble {
            Trouble::Panics | Trouble::CannotFindX => Ok(()),
            Trouble::CannotSettle => Err(StoreFailure::new("settling", io::Error::other("no"))),
        }
    }

    fn batch_bytes(&self) -> usize {
        self.writer.batch_bytes()
    }
}

async fn troubled(trouble: Trouble) -> (Runtime, Aggregates<Ledger>) {
    let Store { writer, reader } = memory::open();
    let store = Store { writer: Box::new(Troubled { writer, trouble }), reader };
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    (runtime, ledgers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_panics_has_failed() {
    let (runtime, ledgers) = troubled(Trouble::Panics).await;
    let first = ledgers.execute("a", Command::Add(1)).await;
    assert!(matches!(failure(&first), Failure::Indeterminate(_)));
    let second = ledgers.execute("b", Command::Add(1)).await;
    assert!(matches!(failure(&second), Failure::Poisoned(_)));
    assert!(matches!(runtime.health().status, Status::Poisoned(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_during_idle_work_accepts_no_more_commands() {
    let (runtime, ledgers) = troubled(Trouble::CannotSettle).await;
    eventually(|| matches!(runtime.health().status, Status::Poisoned(_))).await;
    let error = ledgers.execute("a", Command::Add(1)).await;
    assert!(matches!(failure(&error), Failure::Poisoned(_)));
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 0);
}

/// One damaged page of the index stopped the writes of the whole service, after each restart again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_whose_version_cannot_be_read_fails_alone() {
    let (runtime, ledgers) = troubled(Trouble::CannotFindX).await;
    for _ in 0..2 {
        let error = ledgers.execute("x", Command::Add(1)).await;
        assert!(matches!(failure(&error), Failure::Unreadable(_)), "{error:?}");
        assert_eq!(failure(&error).written(), Written::No);
        ledgers.execute("y", Command::Add(1)).await.unwrap();
    }
    assert!(!matches!(runtime.health().status, Status::Poisoned(_)));
}

/// The shutdown of a failed runtime does not hang, and reports the failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_runtime_still_shuts_down() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    faults.fail_commit(1, Failing::Unwritten);
    ledgers.execute("a", Command::Add(1)).await.unwrap_err();
    let report = runtime.shutdown(std::time::Duration::from_secs(60)).await;
    assert_eq!(report.unanswered, 0);
    assert!(matches!(runtime.health().status, Status::Poisoned(_)));
}
