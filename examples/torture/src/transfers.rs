//! The command `transfers`: a saga moves money between accounts, some of which refuse or never answer.

mod balance;
mod bank;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actuarius::saga::Sagas;
use actuarius::subscription::Retry;
use actuarius::{Aggregates, ExecuteError, Id, Runtime};
use clap::Args;
use fastrand::Rng;
use tokio::task::JoinSet;

pub use balance::balance;

use crate::Stopped;
use crate::load::say;
use crate::write::close;
use bank::{Account, AccountCommand, Order, Request, Transfer};

/// The accounts by kind, and their numbers.
const ACCOUNTS: [(&str, u32); 3] = [("account", 12), ("frozen", 2), ("broken", 1)];

/// How many transfers to order, and how.
#[derive(Debug, Clone, Args)]
pub struct TransferOptions {
    /// The directory of the store, created if it does not exist
    pub directory: PathBuf,
    /// The number of clients that order transfers at the same time
    #[arg(long, default_value_t = 32)]
    pub clients: u32,
    /// The number of transfers after which to stop
    #[arg(long, default_value_t = 1_000)]
    pub transfers: u64,
    /// The seed of all random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Orders transfers until all are ordered or a failure occurs, waits for their ends, and closes the store.
///
/// # Errors
/// [`Stopped`].
pub async fn transfers(options: &TransferOptions) -> Result<(), Stopped> {
    let runtime = Runtime::open(&options.directory).await.map_err(Stopped::NotOpened)?;
    let outcome = order_all(&runtime, options).await;
    close(&runtime, outcome).await
}

async fn order_all(runtime: &Runtime, options: &TransferOptions) -> Result<(), Stopped> {
    let bank = Arc::new(Bank::open(runtime).await?);
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        let most = options.transfers / u64::from(options.clients.max(1));
        clients.spawn(bank.clone().client(options.seed, number, most));
    }
    let mut outcome = Ok(());
    while let Some(ended) = clients.join_next().await {
        outcome = outcome.and(ended.unwrap_or(Err(Stopped::Failed)));
    }
    outcome
}

/// An open bank with its running saga.
struct Bank {
    orders: Aggregates<Order>,
    transfers: Sagas<Transfer>,
}

impl Bank {
    async fn open(runtime: &Runtime) -> Result<Self, Stopped> {
        let accounts = runtime.host::<Account>();
        for account in
            ACCOUNTS.iter().flat_map(|(kind, count)| (0..*count).map(move |it| name(kind, it)))
        {
            match accounts.execute(account, AccountCommand::Open).await {
                // The account may already be open.
                Ok(_) | Err(ExecuteError::Rejected(_)) => {}
                Err(ExecuteError::Failed(failure)) => {
                    return Err(Stopped::Follower(failure.to_string()));
                }
            }
        }
        // Few and short attempts, so that an account that never answers does not delay the test.
        let retry =
            Retry::default().attempts(2).waits(Duration::from_millis(5), Duration::from_millis(5));
        let saga = runtime.saga::<Transfer>().reacts_to::<Order>().sends_to(&accounts).retry(retry);
        let transfers = saga.start().await.map_err(|error| Stopped::Follower(error.to_string()))?;
        Ok(Self { orders: runtime.host(), transfers })
    }

    async fn client(self: Arc<Self>, seed: u64, number: u32, most: u64) -> Result<(), Stopped> {
        let mut rng = Rng::with_seed(seed ^ u64::from(number).rotate_left(32));
        for _ in 0..most {
            let id = format!("{:016x}", rng.u64(..));
            let request =
                Request { from: good(&mut rng), to: any(&mut rng), cents: rng.i64(1..400) };
            say("TRY", &id)?;
            if let Err(error) = self.orders.execute(id.as_str(), request).await {
                eprintln!("ERR {id} {error}");
                return Err(Stopped::Failed);
            }
            say("ACK", &id)?;
            let ended = self.transfers.end_of(id.as_str()).await;
            let status = ended.map_err(|error| Stopped::Follower(error.to_string()))?;
            say("AT", &format_args!("{id} {status}"))?;
        }
        Ok(())
    }
}

fn name(kind: &str, number: u32) -> Id<Account> {
    Id::new(format!("{kind}-{number}")).expect("the id is short")
}

/// An account that accepts refunds.
fn good(rng: &mut Rng) -> Id<Account> {
    let (kind, count) = ACCOUNTS[0];
    name(kind, rng.u32(0..count))
}

fn any(rng: &mut Rng) -> Id<Account> {
    let (kind, count) = match rng.u32(0..20) {
        0 => ACCOUNTS[2],
        1 | 2 => ACCOUNTS[1],
        _ => ACCOUNTS[0],
    };
    name(kind, rng.u32(0..count))
}
