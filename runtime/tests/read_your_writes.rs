//! An answer that is consistent with a view comes when the view shows it.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use actuarius::{
    Envelope, ExecuteError, Failure, FollowerStatus, InMemory, Position, Projection, Runtime,
    WaitError, Written,
};
use common::{Command, Event, Ledger, eventually, is_waiting, join_all, send};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Totals(BTreeMap<String, i64>);

impl Projection<Ledger> for Totals {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            *self.0.entry(envelope.id.to_string()).or_default() += amount;
        }
    }
}

async fn totals(runtime: &Runtime, name: &str) -> InMemory<Totals> {
    runtime.projection(name).on::<Ledger>().start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_answered_reads_their_own_write() {
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
async fn a_receipt_can_be_waited_for_later_and_by_somebody_else() {
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
    view.pause();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    // In either order: what is returned and whom it waits for are independent.
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
async fn when_the_time_is_over_the_error_says_that_the_command_is_durable() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.pause();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    let command = ledgers.execute("a", Command::Add(7)).consistent_with(&view);
    let error = command.timeout(Duration::from_millis(100)).await.unwrap_err();
    let ExecuteError::Failed(failure) = error else { panic!("{error}") };
    assert!(matches!(&failure, Failure::NotShown { position, why: WaitError::TimedOut { .. } }
        if *position == Position::new(1)));
    assert_eq!(failure.written(), Written::Yes);
    assert!(!failure.is_retryable(), "sending it again would write it twice");
    assert_eq!(ledgers.query("a", |ledger| ledger.total).await.unwrap(), 7);
}

#[tokio::test]
async fn behind_a_view_that_is_stopped_the_error_comes_at_once() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.stop().await;
    let command = ledgers.execute("a", Command::Add(7)).consistent_with(&view);
    let error = command.timeout(Duration::MAX).await.unwrap_err();
    let failure = error.failure().expect("it is no rejection");
    assert!(matches!(failure, Failure::NotShown { why: WaitError::Stopped { .. }, .. }));
    assert_eq!(failure.written(), Written::Yes);
}

#[tokio::test]
async fn a_rejection_waits_for_no_view() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (view, ledgers) = (totals(&runtime, "totals").await, runtime.host::<Ledger>());
    view.stop().await;
    let refused = ledgers.execute("a", Command::Refuse).consistent_with(&view).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(_))));
}
