//! The story that the program tells: the life of one account, with a restart in the middle.

mod reading;

use std::error::Error;
use std::time::Duration;

use actuarius::{Aggregates, Expected, Failure, Runtime, Version};
use bank::AccountCommand::{Close, Deposit, Open, Withdraw};
use bank::{Account, AccountCommand, Cents, LargeWithdrawal};
use tokio::sync::mpsc;

type StoryResult = Result<(), Box<dyn Error>>;

/// The time limit for closing the bank.
const CLOSING: Duration = Duration::from_secs(10);

/// Tells the life of the next free account, with a restart of the bank in the middle.
pub(crate) async fn tell(directory: &str) -> StoryResult {
    let runtime = Runtime::open(directory).await?;
    let accounts = runtime.host::<Account>();
    let name = free_name(&accounts).await?;
    println!("The bank in {directory} opens. The account is called {name}.\n");
    open_and_fill(&accounts, &name).await?;
    refuse(&accounts, &name).await?;
    expect_a_version(&accounts, &name).await?;
    retry(&accounts, &name).await?;
    reading::balances(&runtime, &name).await?;
    let balance = balance(&accounts, &name).await?;

    let _ = runtime.shutdown(CLOSING).await;
    println!("The bank closes at a balance of {balance}, and opens again.\n");
    let runtime = Runtime::open(directory).await?;
    reading::statement(&runtime, &name).await?;
    let mut alerts = reading::alerts(&runtime).await?;
    empty_and_close(&runtime.host(), &name, balance, &mut alerts).await?;
    let _ = runtime.shutdown(CLOSING).await;
    Ok(())
}

/// The first `account-N` that has no events.
async fn free_name(accounts: &Aggregates<Account>) -> Result<String, Failure> {
    let mut number = 1;
    loop {
        let name = format!("account-{number}");
        if !accounts.exists(&name).await? {
            return Ok(name);
        }
        number += 1;
    }
}

async fn open_and_fill(accounts: &Aggregates<Account>, name: &str) -> StoryResult {
    println!("Money comes in. Each line is on disk before it is printed.");
    expect_refusal(accounts, name, Deposit(Cents(1))).await?;
    // If two tellers opened the same account at once, one of them would get a conflict.
    accounts.execute(name, Open).expect(Expected::NEW).await?;
    println!("  open: done");
    for amount in [Cents(10_000), Cents(2_550)] {
        let deposit = accounts.execute(name, Deposit(amount));
        // The balance directly after this deposit, even if other commands follow.
        let balance = deposit.returning(|account| account.balance).await?;
        println!("  deposit {amount}: the balance is {balance}");
    }
    println!();
    Ok(())
}

async fn refuse(accounts: &Aggregates<Account>, name: &str) -> StoryResult {
    println!("The bank refuses. Nothing is written.");
    let impossible = [
        Open,
        Deposit(Cents::ZERO),
        Deposit(Cents(i64::MAX)),
        Withdraw(Cents(-5)),
        Withdraw(Cents(1_000_000)),
        Close,
    ];
    for command in impossible {
        expect_refusal(accounts, name, command).await?;
    }
    println!();
    Ok(())
}

/// A rejection is the account's answer. A failure comes from the runtime, and ends the story.
async fn expect_refusal(
    accounts: &Aggregates<Account>,
    name: &str,
    command: AccountCommand,
) -> StoryResult {
    let Err(error) = accounts.execute(name, command).await else {
        return Err(format!("{} should have been refused", label(command)).into());
    };
    match error.rejection() {
        Some(refusal) => println!("  {}: refused, {refusal}", label(command)),
        None => return Err(error.into()),
    }
    Ok(())
}

async fn expect_a_version(accounts: &Aggregates<Account>, name: &str) -> StoryResult {
    println!("Two tellers read the same balance, and both want to pay out.");
    let seen: Version = accounts.version(name).await?;
    accounts.execute(name, Withdraw(Cents(500))).expect(seen).await?;
    println!("  the first saw version {seen}: paid");
    match accounts.execute(name, Withdraw(Cents(500))).expect(seen).await {
        Err(error) if error.failure().is_some_and(Failure::is_conflict) => {
            println!("  the second did too: not paid, {error}\n");
            Ok(())
        }
        other => Err(format!("there should have been a conflict, not {other:?}").into()),
    }
}

async fn retry(accounts: &Aggregates<Account>, name: &str) -> StoryResult {
    println!("An answer is lost, so the payment is sent again with the same command id.");
    for attempt in ["first", "second"] {
        let payment = accounts.execute(name, Withdraw(Cents(2_050)));
        let receipt = payment.command_id(format!("{name}/rent for May")).await?;
        let outcome = if receipt.repeated { "was already paid" } else { "paid" };
        println!("  {attempt} attempt: {outcome}, the account is at version {}", receipt.version);
    }
    println!();
    Ok(())
}

async fn empty_and_close(
    accounts: &Aggregates<Account>,
    name: &str,
    balance: Cents,
    alerts: &mut mpsc::Receiver<LargeWithdrawal>,
) -> StoryResult {
    let found = self::balance(accounts, name).await?;
    if found != balance {
        return Err(format!("the balance was {balance} and is {found}").into());
    }
    println!("The balance is still {found}.");
    accounts.execute(name, Withdraw(found)).await?;
    println!("  {}: done", label(Withdraw(found)));
    if let Some(LargeWithdrawal { account, amount, .. }) = alerts.recv().await {
        println!("  alert: {amount} was withdrawn from {account}");
    }
    accounts.execute(name, Close).await?;
    println!("  close: done");
    expect_refusal(accounts, name, Deposit(Cents(1))).await
}

async fn balance(accounts: &Aggregates<Account>, name: &str) -> Result<Cents, Failure> {
    accounts.query(name, |account| account.balance).await
}

fn label(command: AccountCommand) -> String {
    match command {
        Open => "open".to_owned(),
        Deposit(amount) => format!("deposit {amount}"),
        Withdraw(amount) => format!("withdraw {amount}"),
        Close => "close".to_owned(),
    }
}
