//! The open bank: its runtime, its aggregates and its saga, and the errors of the job.

use std::path::Path;
use std::time::Duration;

use actuarius::error::StartError;
use actuarius::projection::InMemory;
use actuarius::saga::Sagas;
use actuarius::{Aggregates, Failure, OpenError, Runtime, ShutdownReport};
use bank::AccountCommand::{Close, Deposit, Open};
use bank::{Account, Cents, Refused, Transfer, TransferOrder};
use example_support::{ClientPanicked, SettleError, answer, settle, share_out};
use thiserror::Error;

use crate::orders::Orders;

/// The number of accounts.
pub(crate) const ACCOUNTS: u64 = 300;

/// The opening balance of each account, except for the closed ones.
pub(crate) const OPENING: Cents = Cents(100_000);

/// The time limit for closing the bank: enough for a slow disk.
const CLOSING: Duration = Duration::from_secs(60);

/// The number of accounts that are opened at the same time.
const OPENED_AT_ONCE: usize = 256;

/// The open bank.
pub(crate) struct Bank {
    runtime: Runtime,
    pub(crate) accounts: Aggregates<Account>,
    pub(crate) orders: Aggregates<TransferOrder>,
    pub(crate) transfers: Sagas<Transfer>,
    pub(crate) placed: InMemory<Orders>,
}

/// Why the job failed.
#[derive(Debug, Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("account {0} unexpectedly refused a command: {1}")]
    Account(String, Refused),
    #[error("transfers: {0}")]
    Transfers(#[from] SettleError),
    #[error(transparent)]
    Client(#[from] ClientPanicked),
    #[error("the bank did not close in time: {0:?}")]
    Closing(ShutdownReport),
    #[error("the sheet does not close: {0}")]
    Difference(String),
}

impl Bank {
    /// Opens the bank. Transfers in progress continue at once.
    pub(crate) async fn open(directory: &Path) -> Result<Self, JobError> {
        let runtime = Runtime::open(directory).await?;
        let (accounts, orders) = (runtime.host(), runtime.host());
        let transfers = runtime.saga::<Transfer>().reacts_to::<TransferOrder>();
        let transfers = transfers.sends_to(&accounts).sends_to(&orders).start().await?;
        let placed = runtime.projection::<Orders>("orders").on::<TransferOrder>().start().await?;
        Ok(Self { runtime, accounts, orders, transfers, placed })
    }

    /// Waits until every transfer has ended, and returns how many were in progress.
    pub(crate) async fn settle(&self) -> Result<usize, JobError> {
        Ok(settle(&self.runtime, &self.transfers).await?)
    }

    /// Opens the accounts that are not open yet and makes the first deposit. Closes some of them again at once.
    pub(crate) async fn open_accounts(&self) -> Result<(), JobError> {
        let accounts = self.accounts.clone();
        let open = move |number| open_account(accounts.clone(), number as u64);
        share_out(OPENED_AT_ONCE, ACCOUNTS as usize, open).await.map(|_| ())
    }

    /// Closes the bank.
    pub(crate) async fn close(self) -> Result<(), JobError> {
        let report = self.runtime.shutdown(CLOSING).await;
        if report.is_clean() { Ok(()) } else { Err(JobError::Closing(report)) }
    }
}

/// Opens an account. A killed run may have done a part of this.
async fn open_account(accounts: Aggregates<Account>, number: u64) -> Result<(), JobError> {
    let name = account(number);
    let done = accounts.version(&name).await?.get();
    let last = if is_closed(number) { ("close", Close) } else { ("fill", Deposit(OPENING)) };
    for (verb, command) in [("open", Open), last].into_iter().skip(done.try_into().unwrap_or(2)) {
        if let Err(refused) = answer(&accounts, &name, verb, command).await? {
            return Err(JobError::Account(name, refused));
        }
    }
    Ok(())
}

/// The name of an account.
pub(crate) fn account(number: u64) -> String {
    format!("account-{number}")
}

/// Whether an account is one of those that are closed, which accept no deposits.
pub(crate) fn is_closed(number: u64) -> bool {
    number % 20 == 7
}
