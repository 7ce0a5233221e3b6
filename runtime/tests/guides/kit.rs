//! Tests of views and rows without a runtime.

use std::time::Duration;

use actuarius::Runtime;
use actuarius::testing::{rows_of, view};

use crate::account::AccountEvent::{Deposited, Opened, Withdrawn};
use crate::account::{Account, AccountEvent, open};
use crate::balances::{Balance, Balances};
use crate::holdings::Holdings;

fn opened(owner: &str) -> AccountEvent {
    Opened { owner: owner.to_owned() }
}

// region: view
#[test]
fn the_bank_holds_what_was_deposited_and_not_withdrawn() {
    view::<Holdings>()
        .given::<Account>("alice", [opened("Alice"), Deposited { cents: 500 }])
        .given::<Account>("bob", [opened("Bob"), Deposited { cents: 300 }])
        .given::<Account>("alice", [Withdrawn { cents: 200 }])
        .then(&Holdings { accounts: 2, cents: 600 });
}
// endregion: view

// region: rows
#[test]
fn the_richest_come_first() -> Result<(), Box<dyn std::error::Error>> {
    let rows = rows_of::<Balances>()
        .given::<Account>("alice", [opened("Alice"), Deposited { cents: 300 }])
        .given::<Account>("bob", [opened("Bob"), Deposited { cents: 500 }])
        .then_row("alice", Some(&Balance { owner: "Alice".to_owned(), cents: 300 }))
        .then_row("carol", None);
    let richest = rows.by("cents").descending().limit(1).list()?;
    assert_eq!(richest[0].0, "bob");
    Ok(())
}
// endregion: rows

#[tokio::test]
async fn caught_up_waits_for_every_follower() -> Result<(), Box<dyn std::error::Error>> {
    // region: caught-up
    let runtime = Runtime::in_memory().await?;
    let holdings = runtime.projection::<Holdings>("holdings").on::<Account>().start().await?;
    runtime.host::<Account>().execute("alice", open("Alice")).await?;
    runtime.caught_up(Duration::from_secs(60)).await?;
    assert_eq!(holdings.read(|bank| bank.accounts), 1);
    // endregion: caught-up
    Ok(())
}
