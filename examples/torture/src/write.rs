//! The command `write`: its options, its errors, and the clients it runs.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use actuarius::health::Status;
use actuarius::{Hosting, OpenError, Runtime};
use clap::Args;
use tokio::task::JoinSet;

use crate::load::Load;

/// The time limit for closing the store.
pub(crate) const CLOSING: Duration = Duration::from_secs(60);

/// What to write, and how.
#[derive(Debug, Clone, Args)]
pub struct WriteOptions {
    /// The directory of the store, created if it does not exist
    pub directory: PathBuf,
    /// The number of clients that send commands at the same time
    #[arg(long, default_value_t = 8)]
    pub clients: u32,
    /// The number of aggregates
    #[arg(long, default_value_t = 16)]
    pub ids: u32,
    /// The size of each event's payload
    #[arg(long, default_value_t = 100)]
    pub payload_bytes: usize,
    /// The maximum number of events of a command; the number is random
    #[arg(long, default_value_t = 3)]
    pub parts: u32,
    /// Passivate aggregates after this many idle milliseconds [default: never]
    #[arg(long)]
    pub passivate_after_ms: Option<u64>,
    /// The probability, from 0 to 1, that a client passivates the aggregate after its command
    #[arg(long, default_value_t = 0.0)]
    pub passivation_chance: f64,
    /// The maximum number of active aggregates
    #[arg(long)]
    pub resident_limit: Option<usize>,
    /// Take a snapshot after this many events [default: the library's]
    #[arg(long)]
    pub snapshot_every: Option<u64>,
    /// Stop after this many seconds
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Stop after this many commands [default: 1000, unless --seconds is given]
    #[arg(long)]
    pub commands: Option<u64>,
    /// The seed of all random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl WriteOptions {
    fn hosting(&self) -> Hosting {
        let mut hosting = match self.passivate_after_ms {
            Some(idle) => Hosting::default().passivate_after(Duration::from_millis(idle)),
            None => Hosting::default().never_passivate(),
        };
        if let Some(limit) = self.resident_limit {
            hosting = hosting.resident_limit(limit);
        }
        if let Some(events) = self.snapshot_every {
            hosting = hosting.snapshot_every(events);
        }
        hosting
    }

    pub(crate) fn most_commands(&self) -> u64 {
        self.commands.unwrap_or(if self.seconds.is_some() { u64::MAX } else { 1_000 })
    }
}

/// Why writing stopped early.
#[derive(Debug)]
pub enum Stopped {
    /// The store did not open.
    NotOpened(OpenError),
    /// A command was not acknowledged correctly. Its line on stderr has the reason.
    Failed,
    /// The store failed.
    Poisoned(String),
    /// A follower did not start, or failed.
    Follower(String),
    /// The store did not close in time.
    NotClosed,
    /// The output could not be written.
    Output(io::Error),
}

impl fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpened(error) => write!(formatter, "could not be opened: {error}"),
            Self::Failed => formatter.write_str("stopped after an error"),
            Self::Poisoned(error) => {
                write!(formatter, "stopped, because the store failed: {error}")
            }
            Self::Follower(error) => {
                write!(formatter, "stopped, because a follower failed: {error}")
            }
            Self::NotClosed => formatter.write_str("error: the store did not close in time"),
            Self::Output(error) => write!(formatter, "stopped, because output failed: {error}"),
        }
    }
}

/// Writes until all commands are written or a failure occurs, and closes the store.
///
/// # Errors
/// [`Stopped`].
pub async fn write(options: &WriteOptions) -> Result<(), Stopped> {
    let runtime = Runtime::open(&options.directory).await.map_err(Stopped::NotOpened)?;
    let outcome = run_clients(&runtime, options).await;
    close(&runtime, outcome).await
}

pub(crate) async fn run_clients(runtime: &Runtime, options: &WriteOptions) -> Result<(), Stopped> {
    let load = Load::new(options, runtime.host_with(options.hosting()), runtime.head());
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        clients.spawn(load.clone().client(number));
    }
    let mut outcome = Ok(());
    while let Some(ended) = clients.join_next().await {
        outcome = outcome.and(ended.unwrap_or(Err(Stopped::Failed)));
    }
    outcome
}

pub(crate) async fn close(runtime: &Runtime, outcome: Result<(), Stopped>) -> Result<(), Stopped> {
    let closed = runtime.shutdown(CLOSING).await;
    if let Status::Poisoned(failure) = runtime.health().status {
        return Err(Stopped::Poisoned(failure.to_string()));
    }
    outcome.and(if closed.is_clean() { Ok(()) } else { Err(Stopped::NotClosed) })
}
