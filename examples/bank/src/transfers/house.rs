use std::path::Path;
use std::time::Duration;

use actuarius::error::{StartError, WaitError};
use actuarius::projection::InMemory;
use actuarius::saga::Sagas;
use actuarius::{
    Aggregate, Aggregates, ExecuteError, Failure, OpenError, Receipt, Runtime, ShutdownReport,
};
use bank::AccountCommand::{Close, Deposit, Open};
use bank::{Account, Cents, Refused, Transfer, TransferOrder};
use thiserror::Error;
use tokio::task::JoinSet;

use crate::orders::Orders;

/// How many accounts there are.
pub(crate) const ACCOUNTS: u64 = 300;

/// What is in each of them at first, but for those that are closed.
pub(crate) const OPENING: Cents = Cents(100_000);

/// How long it may take until every event is heard, and until all is closed: long enough for a slow
/// disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many transfers under way are looked at together.
const PAGE: usize = 1_000;

/// How often and how long it is waited when the runtime has no room: five seconds in all.
const RETRIES: u32 = 500;
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The open bank.
pub(crate) struct House {
    runtime: Runtime,
    pub(crate) accounts: Aggregates<Account>,
    pub(crate) orders: Aggregates<TransferOrder>,
    pub(crate) transfers: Sagas<Transfer>,
    pub(crate) placed: InMemory<Orders>,
}

/// Why the job did not end well.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("account {0} should not have refused it: {1}")]
    Account(String, Refused),
    #[error("transfer {0} waits for a person: {1}")]
    Waits(String, String),
    #[error("not everything was heard: {0}")]
    Waiting(#[from] WaitError),
    #[error("a client ended before its work: {0}")]
    Client(String),
    #[error("the bank did not close in time: {0:?}")]
    Closing(ShutdownReport),
    #[error("the sheet does not close: {0}")]
    Difference(String),
}

impl House {
    /// Opens the bank. Transfers that were under way go on at once.
    pub(crate) async fn open(directory: &Path) -> Result<Self, Trouble> {
        let runtime = Runtime::open(directory).await?;
        let (accounts, orders) = (runtime.host(), runtime.host());
        let transfers = runtime.saga::<Transfer>().reacts_to::<TransferOrder>();
        let transfers = transfers.sends_to(&accounts).sends_to(&orders).start().await?;
        let placed = runtime.projection::<Orders>("orders").on::<TransferOrder>().start().await?;
        Ok(Self { runtime, accounts, orders, transfers, placed })
    }

    /// Waits until every transfer has ended, and says how many were under way.
    pub(crate) async fn settle(&self) -> Result<usize, Trouble> {
        let mut ended = 0;
        loop {
            self.runtime.caught_up(PATIENCE).await?;
            let under_way = self.transfers.list("", PAGE, |_| true);
            if under_way.is_empty() {
                return Ok(ended);
            }
            ended += under_way.len();
            for transfer in under_way {
                if transfer.status.is_in_trouble() {
                    return Err(Trouble::Waits(transfer.id, transfer.status.to_string()));
                }
                self.transfers.end_of(transfer.id).await?;
            }
        }
    }

    /// Opens the accounts that are not open yet, and puts money in. Some are closed again at once.
    pub(crate) async fn open_accounts(&self) -> Result<(), Trouble> {
        let mut opening = JoinSet::new();
        for number in 0..ACCOUNTS {
            opening.spawn(open_account(self.accounts.clone(), number));
        }
        while let Some(opened) = opening.join_next().await {
            opened.map_err(|panic| Trouble::Client(panic.to_string()))??;
        }
        Ok(())
    }

    /// Closes the bank.
    pub(crate) async fn close(self) -> Result<(), Trouble> {
        let report = self.runtime.shutdown(PATIENCE).await;
        if report.is_clean() { Ok(()) } else { Err(Trouble::Closing(report)) }
    }
}

/// A run that was killed may have opened it, and no more.
async fn open_account(accounts: Aggregates<Account>, number: u64) -> Result<(), Trouble> {
    let name = account(number);
    let done = accounts.version(&name).await?.get();
    let last = if is_closed(number) { ("close", Close) } else { ("fill", Deposit(OPENING)) };
    for (verb, command) in [("open", Open), last].into_iter().skip(done.try_into().unwrap_or(2)) {
        if let Err(refused) = patiently(&accounts, &name, verb, command).await? {
            return Err(Trouble::Account(name, refused));
        }
    }
    Ok(())
}

/// The name of an account.
pub(crate) fn account(number: u64) -> String {
    format!("account-{number}")
}

/// Whether it is one of those that were closed: no money can be moved there.
pub(crate) fn is_closed(number: u64) -> bool {
    number % 20 == 7
}

/// Sends a command, again while the answer says that this may help: its name, made of the `verb`, makes
/// that safe. The aggregate's answer is its own, a failure is trouble.
pub(crate) async fn patiently<A: Aggregate<Command: Clone>>(
    aggregates: &Aggregates<A>,
    id: &str,
    verb: &str,
    command: A::Command,
) -> Result<Result<Receipt, A::Error>, Trouble> {
    let mut attempts = 0;
    loop {
        let sent = aggregates.execute(id, command.clone()).command_id(format!("{id}/{verb}"));
        match sent.await {
            Ok(receipt) => return Ok(Ok(receipt)),
            Err(ExecuteError::Rejected(refused)) => return Ok(Err(refused)),
            Err(ExecuteError::Failed(failure)) if failure.is_retryable() && attempts < RETRIES => {
                attempts += 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err(ExecuteError::Failed(failure)) => return Err(failure.into()),
        }
    }
}
