//! Consistent reads: an answer can wait until a view has the events of its command.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::{WaitError, Written};
use actuarius::health::FollowerStatus;
use actuarius::projection::{InMemory, Projection};
use actuarius::store::memory;
use actuarius::store::views::Views;
use actuarius::subscription::Retry;
use actuarius::{Aggregates, Envelope, ExecuteError, Failure, Position, Receipt, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Event, Ledger, Refused, eventually, is_waiting, join_all, send};

#[derive(Default, Serialize, Deserialize)]
struct Totals(BTreeMap<String, i64>);

impl Projection<Ledger> for Totals {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        if let Event::Blob(_) = envelope.event {
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("a blob is too much"));
        }
        if let Event::Added(amount) = envelope.event {
            *self.0.entry(envelope.id.to_string()).or_default() += amount;
        }
    }
}

async fn totals(runtime: &Runtime, name: &str) -> InMemory<Totals> {
    runtime.projection(name).on::<Ledger>().start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_reads_its_own_write() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (first, second) = (totals(&runtime, "first").await, totals(&runtime, "second").await);
    let clients = (0..32).map(|client| {
        let (ledgers, first, second) = (runtime.host::<Ledger>(), first.clone(), second.clone());
        async move {
            let id = client.to_string();
            for round in 1..=50 {
                let command = ledgers.execute(id.as_str(), Command::Add(1));
                command.consistent_with(&first).consistent_with(&second).await.unwrap();
                for view in [&first, &second] {
                    assert_eq!(view.read(|totals| totals.0[&id]), round);
                }
            }
        }
    });
    join_all(clients).await;
}

#[tokio::test]
async fn a_receipt_can_be_waited_for_later_and_by_another_task() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = totals(&runtime, "totals").await;
    let receipt = runtime.host::<Ledger>().execute("a", Command::Add(7)).await.unwrap();
    view.wait_for(receipt.position).await.unwrap();
    assert_eq!(view.read(|totals| totals.0["a"]), 7);
}

#[tokio::test]
async fn the_answer_waits_for_the_view_and_carries_its_value() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    // The order of the calls does not matter: the returned value and the awaited view are
    // independent.
    let returning = ledgers.execute("a", Command::Add(7)).returning(|ledger| ledger.total);
    let mut one = send(returning.consistent_with(&view));
    let other = ledgers.execute("a", Command::Add(1)).consistent_with(&view);
    let mut other = send(other.returning(|ledger| ledger.total));
    eventually(|| runtime.head() == Position::new(2)).await;
    assert!(is_waiting(&mut one) && is_waiting(&mut other));
    view.resume();
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (7, 8));
}

#[tokio::test]
async fn a_timeout_reports_that_the_command_is_durable() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    // On a busy machine, a short timeout may pass before the command is durable.
    let mut time = Duration::from_millis(50);
    let failure = loop {
        let command = ledgers.execute("a", Command::Add(7)).consistent_with(&view);
        match failure_of(command.timeout(time)).await {
            failure if failure.written() == Written::Perhaps => time *= 2,
            failure => break failure,
        }
    };
    let timed_out = matches!(&failure, Failure::NotShown { position, why: WaitError::TimedOut { .. } }
        if *position == runtime.head());
    assert!(timed_out, "{failure}");
    check_durable(&ledgers, &failure).await;
}

/// Returns the failure of a command.
async fn failure_of<F>(command: F) -> Failure
where
    F: IntoFuture<Output = Result<Receipt, ExecuteError<Refused>>>,
{
    match command.await {
        Err(ExecuteError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

async fn check_durable(ledgers: &Aggregates<Ledger>, failure: &Failure) {
    assert_eq!(failure.written(), Written::Yes);
    assert!(!failure.is_retryable(), "sending it again would write it twice");
    assert!(ledgers.query("a", |ledger| ledger.total).await.unwrap() >= 7);
}

#[tokio::test]
async fn a_view_that_halted_before_the_event_is_not_waited_for() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let view = runtime.projection::<Totals>("totals").on::<Ledger>();
    let view = view.retry(Retry::default().attempts(1)).start().await.unwrap();
    ledgers.execute("b", Command::Blob(1)).await.unwrap();
    let failure = failure_of(ledgers.execute("a", Command::Add(7)).consistent_with(&view)).await;
    let halted = matches!(&failure, Failure::NotShown { position, why: WaitError::Halted { at, .. } }
        if (*position, *at) == (Position::new(2), Position::new(1)));
    assert!(halted, "{failure}");
    check_durable(&ledgers, &failure).await;
}

#[tokio::test]
async fn a_stopped_view_is_not_waited_for() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.stop().await;
    let failure = failure_of(ledgers.execute("a", Command::Add(7)).consistent_with(&view)).await;
    let stopped = matches!(&failure, Failure::NotShown { position, why: WaitError::Stopped { .. } }
        if *position == Position::new(1));
    assert!(stopped, "{failure}");
    check_durable(&ledgers, &failure).await;
}

/// The older view does not change any more. Only the new one could show the write, and it cannot be
/// built.
#[tokio::test]
async fn an_older_view_that_is_read_never_shows_the_write_and_reports_it() {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let open = || Runtime::builder().views(views.clone()).on_store(memory::reopen(&contents));
    let runtime = open().await.unwrap();
    let view = totals(&runtime, "totals").await;
    runtime.host::<Ledger>().execute("a", Command::Add(7)).consistent_with(&view).await.unwrap();
    drop(view);
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    let runtime = open().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("b", Command::Blob(1)).await.unwrap();
    let view = runtime.projection::<Totals>("totals").on::<Ledger>().version(2).also_reads(1);
    let view = view.retry(Retry::default().attempts(1)).start().await.unwrap();
    let failure = failure_of(ledgers.execute("a", Command::Add(1)).consistent_with(&view)).await;
    let halted = matches!(&failure, Failure::NotShown { why: WaitError::Halted { .. }, .. });
    assert!(halted, "{failure}");
    assert_eq!((view.position(), view.read(|totals| totals.0["a"])), (Position::new(1), 7));
    check_durable(&ledgers, &failure).await;
}

#[tokio::test]
async fn a_rejection_waits_for_no_view() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.stop().await;
    let refused = ledgers.execute("a", Command::Refuse).consistent_with(&view).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(_))));
}
