use actuarius::Runtime;
use actuarius::error::StartError;
use bank::AccountCommand::{Deposit, Withdraw};
use bank::{
    Account, AccountEvent, Balances, Cents, LargeWithdrawal, Line, Statements,
    announce_large_withdrawals,
};
use tokio::sync::mpsc;

use super::Told;

/// Withdrawals of this much and more are announced.
const LARGE: Cents = Cents(5_000);

/// How many announcements may wait to be read: the story makes one.
const ALERTS_WAITING: usize = 16;

/// How many lines of a statement are shown.
const LINES: usize = 5;

/// Reads balances without asking accounts, and still reads what was just written.
pub(super) async fn balances(runtime: &Runtime, name: &str) -> Told {
    println!("A list of all balances is computed beside the accounts.");
    let balances = runtime.projection::<Balances>("balances").on::<Account>().start().await?;
    let accounts = runtime.host::<Account>();
    for command in [Deposit(Cents(4_000)), Withdraw(Cents(4_000))] {
        // Answered when the list shows it, too: without that, it could be a moment behind.
        accounts.execute(name, command).consistent_with(&balances).await?;
        let balance = balances.read(|balances| balances.of(name)).unwrap_or_default();
        println!("  {}: the list says {balance}", super::said(command));
    }
    let open = balances.read(Balances::open_accounts);
    println!("  open accounts: {open}\n");
    Ok(())
}

/// Shows the newest lines of an account's statement. They are rows on disk: the first run that asks
/// for them makes them from the log, and every later one goes on with them.
pub(super) async fn statement(runtime: &Runtime, name: &str) -> Told {
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

/// Listens to the announcements of large withdrawals, from now on.
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
