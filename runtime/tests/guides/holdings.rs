//! A projection into a value in memory.

use std::time::Duration;

use actuarius::projection::{InMemory, Projection};
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::account::{Account, AccountEvent, open};

// region: view
/// What the bank holds.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holdings {
    pub(crate) accounts: u64,
    pub(crate) cents: i64,
}

impl Projection<Account> for Holdings {
    fn project(&mut self, envelope: &Envelope<Account>) {
        match envelope.event {
            AccountEvent::Opened { .. } => self.accounts += 1,
            AccountEvent::Deposited { cents } => self.cents += cents,
            AccountEvent::Withdrawn { cents } => self.cents -= cents,
        }
    }
}
// endregion: view

pub(crate) async fn holdings(
    runtime: &Runtime,
) -> Result<InMemory<Holdings>, Box<dyn std::error::Error>> {
    let accounts = runtime.host::<Account>();
    // region: start
    let holdings = runtime.projection::<Holdings>("holdings").on::<Account>().start().await?;

    accounts.execute("alice", open("Alice")).await?;
    let receipt = accounts.execute("alice", Deposit { cents: 500 }).await?;
    holdings.wait_for(receipt.position).await?;
    assert_eq!(holdings.read(|bank| (bank.accounts, bank.cents)), (1, 500));
    // endregion: start
    Ok(holdings)
}

#[tokio::test]
async fn a_view_in_memory_is_started_and_read() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    holdings(&runtime).await?;
    Ok(())
}

#[tokio::test]
async fn a_view_in_memory_is_started_with_options() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    // region: options
    let holdings = runtime
        .projection::<Holdings>("holdings")
        .on::<Account>()
        .save_every(Duration::from_secs(300))
        .start()
        .await?;
    // endregion: options
    runtime.host::<Account>().execute("alice", open("Alice")).await?;
    runtime.caught_up(Duration::from_secs(60)).await?;
    assert_eq!(holdings.read(|bank| bank.accounts), 1);
    let refused = runtime.host::<Account>().execute("alice", Withdraw { cents: 1 }).await;
    assert!(refused.is_err());
    Ok(())
}
