//! One transfer from its first event to its end, step by step.

use actuarius::saga::{InstanceStatus, SagaError, Sagas};
use actuarius::store::{fault, memory};
use actuarius::{Failure, Runtime};

use crate::bank::{
    Account, AccountCommand, Order, OrderEvent, Transfer, account, accounts, cents, placed,
};

async fn transfers(
    runtime: &Runtime,
    accounts: &actuarius::Aggregates<Account>,
) -> Sagas<Transfer> {
    runtime.saga::<Transfer>().reacts_to::<Order>().sends_to(accounts).start().await.unwrap()
}

#[tokio::test]
async fn a_transfer_moves_money_and_completes() {
    let runtime = Runtime::in_memory().await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 0)]).await;
    let transfers = transfers(&runtime, &accounts).await;
    runtime.host::<Order>().execute("t-1", placed("alice", "bob", 200)).await.unwrap();
    assert_eq!(transfers.end_of("t-1").await.unwrap(), InstanceStatus::Completed);
    assert_eq!((cents(&accounts, "alice").await, cents(&accounts, "bob").await), (300, 200));
}

#[tokio::test]
async fn a_refused_deposit_is_compensated() {
    let runtime = Runtime::in_memory().await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 7)]).await;
    accounts.execute("bob", AccountCommand::Freeze).await.unwrap();
    let transfers = transfers(&runtime, &accounts).await;
    runtime.host::<Order>().execute("t-1", placed("alice", "bob", 200)).await.unwrap();
    let why = "the account is frozen".to_owned();
    assert_eq!(transfers.end_of("t-1").await.unwrap(), InstanceStatus::Compensated { why });
    assert_eq!((cents(&accounts, "alice").await, cents(&accounts, "bob").await), (500, 7));
    let steps = transfers.history("t-1", 0).await.unwrap();
    let inputs: Vec<_> = steps.iter().map(|step| step.input.as_str()).collect();
    assert_eq!(
        inputs,
        [
            "Placed of order/t-1 at position 4",
            "command 1.0 accepted, version 2",
            "command 2.0 rejected: the account is frozen",
            "command 3.0 accepted, version 3",
        ]
    );
}

#[tokio::test]
async fn an_instance_can_be_started_without_an_event_but_only_once() {
    let runtime = Runtime::in_memory().await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 0)]).await;
    let transfers = transfers(&runtime, &accounts).await;
    for is_first in [true, false] {
        let begin =
            |transfer: &mut Transfer| transfer.begin(&account("alice"), &account("bob"), 100);
        assert_eq!(transfers.begin("t-1", begin).await.unwrap(), is_first);
        assert_eq!(transfers.end_of("t-1").await.unwrap(), InstanceStatus::Completed);
    }
    assert_eq!(cents(&accounts, "bob").await, 100);
}

#[tokio::test]
async fn a_poison_instance_waits_with_its_later_events_and_continues_after_a_skip() {
    let runtime = Runtime::in_memory().await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 0)]).await;
    let transfers = transfers(&runtime, &accounts).await;
    let orders = runtime.host::<Order>();
    // The deposit waits until the account is available again, so that the transfer stays open.
    accounts.execute("bob", AccountCommand::Freeze).await.unwrap();
    orders.execute("t-1", placed("alice", "nobody", 900)).await.unwrap();
    let ended = transfers.end_of("t-1").await.unwrap();
    assert!(matches!(ended, InstanceStatus::Compensated { .. }), "{ended}");
    orders.execute("t-1", OrderEvent::Poison).await.unwrap();
}

#[tokio::test]
async fn waiting_for_an_end_reports_that_the_store_has_failed() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 0)]).await;
    // The order has no events, so that nothing else is stored.
    let transfers = runtime.saga::<Transfer>().sends_to(&accounts).start().await.unwrap();
    // The withdrawal, after the first step.
    faults.fail_commit(2, fault::Failure::Unwritten);
    let begin = |transfer: &mut Transfer| transfer.begin(&account("alice"), &account("bob"), 100);
    let ended = transfers.run("t-1", begin).await;
    assert!(matches!(ended, Err(SagaError::Failed(Failure::Poisoned(_)))), "{ended:?}");
}
