//! The part of the story that reads: balances, statements and alerts.

use actuarius::Runtime;
use actuarius::error::StartError;
use bank::AccountCommand::{Deposit, Withdraw};
use bank::{
    Account, AccountEvent, Balances, Cents, LargeWithdrawal, Line, Statements,
    announce_large_withdrawals,
};
use tokio::sync::mpsc;

use super::StoryResult;

/// Withdrawals of this amount or more cause an alert.
const LARGE: Cents = Cents(5_000);

/// The number of alerts that may wait to be read. The story causes one.
const ALERTS_WAITING: usize = 16;

/// The number of lines of a statement that are shown.
const LINES: usize = 5;

/// Reads balances from a view, including changes that were just written.
pub(super) async fn balances(runtime: &Runtime, name: &str) -> StoryResult {
    println!("A view lists the balances of all accounts.");
    let balances = runtime.projection::<Balances>("balances").on::<Account>().start().await?;
    let accounts = runtime.host::<Account>();
    for command in [Deposit(Cents(4_000)), Withdraw(Cents(4_000))] {
        // The answer waits until the view shows the change. Otherwise the view could lag briefly.
        accounts.execute(name, command).consistent_with(&balances).await?;
        let balance = balances.read(|balances| balances.of(name)).unwrap_or_default();
        println!("  {}: the list says {balance}", super::label(command));
    }
    let open = balances.read(Balances::open_accounts);
    println!("  open accounts: {open}\n");
    Ok(())
}

/// Shows the newest lines of an account's statement. They are rows on disk: the first run builds them from the log,
/// and later runs continue from there.
pub(super) async fn statement(runtime: &Runtime, name: &str) -> StoryResult {
    let statements = runtime.keyed::<Statements>("statements").on::<Account>().start().await?;
    statements.wait_for(runtime.head()).await?;
    println!("The last lines of the statement of {name}:");
    let newest = statements.rows().within(name).descending().limit(LINES).list()?;
    for ((_, number), Line { event, balance }) in newest.into_iter().rev() {
        println!("  {number:>3}  {:<16} {:>10}", happened(event), balance.to_string());
    }
    println!();
    Ok(())
}

/// Receives alerts of large withdrawals from now on.
pub(super) async fn alerts(
    runtime: &Runtime,
) -> Result<mpsc::Receiver<LargeWithdrawal>, StartError> {
    let (listener, alerts) = mpsc::channel(ALERTS_WAITING);
    announce_large_withdrawals(runtime, LARGE, listener).await?;
    Ok(alerts)
}

fn happened(event: AccountEvent) -> String {
    match event {
        AccountEvent::Opened => "opened".to_owned(),
        AccountEvent::Deposited(amount) => format!("deposit  {:>7}", amount.to_string()),
        AccountEvent::Withdrawn(amount) => format!("withdraw {:>7}", amount.to_string()),
        AccountEvent::Closed => "closed".to_owned(),
    }
}
