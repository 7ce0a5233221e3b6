//! The bank's views of accounts, and the subscription that announces withdrawals.

use std::time::Duration;

use actuarius::testing::{rows_of, view};
use actuarius::{Aggregates, Position, Runtime};
use bank::AccountCommand::{Close, Deposit, Open, Withdraw};
use bank::AccountEvent::{Closed, Deposited, Opened, Withdrawn};
use bank::{
    Account, Balances, Cents, LargeWithdrawal, Line, Statements, announce_large_withdrawals,
};
use tokio::sync::mpsc;

const TEN: Cents = Cents(1_000);
const SIX: Cents = Cents(600);
const FOUR: Cents = Cents(400);

/// Long enough for any machine. No test depends on the clock.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn balances_are_those_of_the_open_accounts() {
    let _ = view::<Balances>()
        .given::<Account>("alice", [Opened, Deposited(TEN), Withdrawn(SIX)])
        .given::<Account>("bob", [Opened, Deposited(SIX)])
        .given::<Account>("carol", [Opened, Closed])
        .then_is("of two accounts", |balances| balances.open_accounts() == 2)
        .then_is("alice's", |balances| balances.of("alice") == Some(FOUR))
        .then_is("without carol's", |balances| balances.of("carol").is_none())
        .then_is("led by bob", |balances| balances.largest() == Some(("bob", SIX)));
}

#[test]
fn a_statement_has_a_line_for_each_event_with_the_balance_after_it() {
    let rows = rows_of::<Statements>()
        .given::<Account>("alice", [Opened, Deposited(TEN)])
        .given::<Account>("bob", [Opened, Deposited(FOUR)])
        .given::<Account>("alice", [Withdrawn(SIX)]);
    let page = |after: u64| {
        let page = rows.rows().within("alice").after(&("alice".to_owned(), after)).limit(2);
        page.list().unwrap().into_iter().map(|((_, number), line)| (number, line))
    };
    let line = |event, balance| Line { event, balance };
    assert!(page(0).eq([(1, line(Opened, Cents::ZERO)), (2, line(Deposited(TEN), TEN))]));
    assert!(page(2).eq([(3, line(Withdrawn(SIX), FOUR))]));
}

#[tokio::test]
async fn a_caller_that_deposits_can_read_the_new_balance_immediately() {
    let runtime = Runtime::in_memory().await.unwrap();
    let balances = runtime.projection::<Balances>("balances").on::<Account>();
    let balances = balances.start().await.unwrap();
    let accounts = runtime.host::<Account>();
    accounts.execute("alice", Open).await.unwrap();
    for times in 1..=20 {
        accounts.execute("alice", Deposit(TEN)).consistent_with(&balances).await.unwrap();
        let balance = balances.read(|balances| balances.of("alice"));
        assert_eq!(balance, Some(Cents(times * TEN.0)));
    }
}

#[tokio::test]
async fn statements_continue_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for times in 1..=3 {
        let runtime = Runtime::open(directory.path()).await.unwrap();
        let statements = runtime.keyed::<Statements>("statements").on::<Account>();
        let statements = statements.start().await.unwrap();
        assert_eq!(statements.lag(), 0);
        let accounts = runtime.host::<Account>();
        if times == 1 {
            accounts.execute("alice", Open).await.unwrap();
        }
        let deposit = accounts.execute("alice", Deposit(TEN)).consistent_with(&statements);
        let version = deposit.await.unwrap().version.get();
        let line = statements.get(&("alice".to_owned(), version)).unwrap();
        let balance = Cents(times * TEN.0);
        assert_eq!(line, Some(Line { event: Deposited(TEN), balance }));
        assert!(runtime.shutdown(SOON).await.is_clean());
    }
}

async fn fill(accounts: &Aggregates<Account>, name: &str) {
    accounts.execute(name, Open).await.unwrap();
    accounts.execute(name, Deposit(TEN)).await.unwrap();
}

/// Opens a bank that announces withdrawals from six on.
async fn listening(directory: &std::path::Path) -> (Runtime, mpsc::Receiver<LargeWithdrawal>) {
    let runtime = Runtime::open(directory).await.unwrap();
    let (listener, alerts) = mpsc::channel(16);
    announce_large_withdrawals(&runtime, SIX, listener).await.unwrap();
    (runtime, alerts)
}

async fn withdraw(accounts: &Aggregates<Account>, name: &str, amount: Cents) -> LargeWithdrawal {
    let receipt = accounts.execute(name, Withdraw(amount)).await.unwrap();
    LargeWithdrawal { account: name.to_owned(), number: receipt.version.get(), amount }
}

#[tokio::test]
async fn large_withdrawals_are_announced_once_from_the_first_start_on_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(directory.path()).await.unwrap();
    fill(&runtime.host(), "before").await;
    withdraw(&runtime.host(), "before", TEN).await;
    assert!(runtime.shutdown(SOON).await.is_clean());
    for name in ["alice", "bob"] {
        let (runtime, mut alerts) = listening(directory.path()).await;
        let accounts = runtime.host::<Account>();
        fill(&accounts, name).await;
        withdraw(&accounts, name, Cents(1)).await;
        let large = withdraw(&accounts, name, SIX).await;
        assert_eq!(alerts.recv().await, Some(large));
        runtime.caught_up(SOON).await.unwrap();
        assert!(runtime.shutdown(SOON).await.is_clean());
        assert_eq!(alerts.recv().await, None, "nothing was announced twice");
    }
}

#[tokio::test]
async fn a_slow_listener_blocks_no_account() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (listener, mut alerts) = mpsc::channel(1);
    announce_large_withdrawals(&runtime, SIX, listener).await.unwrap();
    let accounts = runtime.host::<Account>();
    for account in 0..20 {
        let name = account.to_string();
        fill(&accounts, &name).await;
        withdraw(&accounts, &name, SIX).await;
        withdraw(&accounts, &name, FOUR).await;
        accounts.execute(&*name, Close).await.unwrap();
    }
    assert_eq!(runtime.head(), Position::new(20 * 5));
    for account in 0..20 {
        assert_eq!(alerts.recv().await.unwrap().account, account.to_string());
    }
}
