use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use actuarius::health::Status;
use actuarius::{Hosting, OpenError, Runtime};
use clap::Args;
use tokio::task::JoinSet;

use crate::load::Load;

/// How long closing the store may take.
pub(crate) const CLOSING: Duration = Duration::from_secs(60);

/// What to write, and how hard.
#[derive(Debug, Clone, Args)]
pub struct WriteOptions {
    /// Where the store is, or is to be
    pub directory: PathBuf,
    /// How many clients send commands at once
    #[arg(long, default_value_t = 8)]
    pub clients: u32,
    /// How many aggregates they send them to
    #[arg(long, default_value_t = 16)]
    pub ids: u32,
    /// How large the payload of each event is
    #[arg(long, default_value_t = 100)]
    pub payload_bytes: usize,
    /// How many events a command has at most; the number is drawn for each
    #[arg(long, default_value_t = 3)]
    pub parts: u32,
    /// After how many milliseconds idle aggregates leave memory [default: never]
    #[arg(long)]
    pub passivate_after_ms: Option<u64>,
    /// How likely a client, after its command, has the aggregate leave memory: 0 to 1
    #[arg(long, default_value_t = 0.0)]
    pub passivation_chance: f64,
    /// How many aggregates stay in memory
    #[arg(long)]
    pub resident_limit: Option<usize>,
    /// After how many events a snapshot is taken [default: as the library likes]
    #[arg(long)]
    pub snapshot_every: Option<u64>,
    /// After how many seconds to stop
    #[arg(long)]
    pub seconds: Option<f64>,
    /// After how many commands to stop [default: 1000, unless seconds are given]
    #[arg(long)]
    pub commands: Option<u64>,
    /// What all chance comes from
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

/// Why writing came to an early end.
#[derive(Debug)]
pub enum Stopped {
    /// The store did not open.
    NotOpened(OpenError),
    /// A command was not acknowledged, or not as it should be; its line on stderr says why.
    Failed,
    /// The store failed.
    Poisoned(String),
    /// What follows the log did not start, or could not go on.
    Follower(String),
    /// The store did not close in time.
    NotClosed,
    /// Nobody reads the output any more.
    Unheard(io::Error),
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
            Self::Unheard(error) => write!(formatter, "stopped, because output failed: {error}"),
        }
    }
}

/// Writes until enough is written or something fails, and closes the store.
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
