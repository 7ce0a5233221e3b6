//! What is measured: the runtime on one of its stores.

use std::path::Path;
use std::time::{Duration, Instant};

use actuarius::{Aggregates, ExecuteError, Failure, Hosting, Runtime, RuntimeBuilder};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::clients::{Answer, Extent, Load, Seen, Target, drive};
use crate::distribution::Chooser;
use crate::workload::{Journal, Name, Record};
use crate::{Result, syncs};

/// How long a runtime may take to close.
const CLOSING_TAKES_AT_MOST: Duration = Duration::from_secs(600);

/// Which store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Durable: a command is answered once its event is on disk.
    #[default]
    Sled,
    /// Nothing survives the process.
    Memory,
}

impl StoreKind {
    /// What an answer promises.
    #[must_use]
    pub fn durability(self) -> &'static str {
        match self {
            Self::Sled => "answered after fdatasync",
            Self::Memory => "none, in memory",
        }
    }
}

/// An open runtime with the measured type.
#[derive(Clone)]
pub struct Subject {
    /// The runtime.
    pub runtime: Runtime,
    /// Its aggregates.
    pub journals: Aggregates<Journal>,
}

impl Subject {
    /// Opens the runtime on a store; `directory` is where a durable one is.
    ///
    /// # Errors
    /// What opening says, or that the store is not the one asked for.
    pub async fn open(
        store: StoreKind,
        directory: &Path,
        builder: RuntimeBuilder,
        hosting: Hosting,
    ) -> Result<Self> {
        // Before the runtime looks its metrics up.
        syncs::so_far();
        let runtime = match store {
            StoreKind::Sled => builder.open(directory).await?,
            StoreKind::Memory => builder.in_memory().await?,
        };
        let journals = runtime.host_with(hosting);
        Ok(Self { runtime, journals })
    }

    /// Closes it, so that all it has is on disk.
    ///
    /// # Errors
    /// When it did not close in a long time.
    pub async fn close(self) -> Result<()> {
        let report = self.runtime.shutdown(CLOSING_TAKES_AT_MOST).await;
        if report.is_clean() { Ok(()) } else { Err(format!("not closed: {report:?}").into()) }
    }

    /// Sends commands, `commands` in all, to `aggregates` aggregates in turn.
    ///
    /// # Errors
    /// What a client is told beside "done" and "overloaded".
    pub async fn fill(&self, aggregates: usize, commands: u64, payload_bytes: usize) -> Result<()> {
        in_turn(self, aggregates, commands, payload_bytes).await.map(drop)
    }

    /// Looks at each of the first `aggregates` aggregates, so that all are in memory.
    ///
    /// # Errors
    /// What a client is told beside "done" and "overloaded".
    pub async fn look_at_all(&self, aggregates: usize) -> Result<Seen> {
        in_turn(&Looks(self.clone()), aggregates, aggregates as u64, 0).await
    }

    /// Has the first `aggregates` aggregates leave memory, and waits until none is there.
    ///
    /// # Errors
    /// When they do not go.
    pub async fn passivate(&self, aggregates: usize) -> Result<Duration> {
        let started = Instant::now();
        for number in 0..aggregates {
            self.journals.passivate(Name::of(number).as_str())?;
        }
        while self.journals.resident() > 0 {
            if started.elapsed() > CLOSING_TAKES_AT_MOST {
                return Err(format!("{} still in memory", self.journals.resident()).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(started.elapsed())
    }
}

impl Target for Subject {
    async fn send(&self, aggregate: usize, payload: String) -> Answer {
        let answer = self.journals.execute(Name::of(aggregate).as_str(), Record(payload)).await;
        match answer {
            Ok(_) => Answer::Done,
            Err(ExecuteError::Failed(failure)) => refusal(&failure),
            Err(ExecuteError::Rejected(never)) => match never {},
        }
    }

    fn syncs(&self) -> u64 {
        syncs::so_far()
    }
}

/// As many clients as keep the store busy.
const CLIENTS: usize = 1_024;

async fn in_turn<T: Target>(
    target: &T,
    aggregates: usize,
    commands: u64,
    payload_bytes: usize,
) -> Result<Seen> {
    let load = Load {
        clients: CLIENTS,
        chooser: Chooser::in_turn(aggregates).into(),
        payload_bytes,
        warm_up: Duration::ZERO,
        extent: Extent::Commands(commands),
        seed: commands,
    };
    drive(target, &load).await
}

/// Looks at aggregates instead of sending them commands: for those who want them in memory.
#[derive(Clone)]
struct Looks(Subject);

impl Target for Looks {
    async fn send(&self, aggregate: usize, _: String) -> Answer {
        let journals = &self.0.journals;
        match journals.query(Name::of(aggregate).as_str(), |journal| journal.notes).await {
            Ok(_) => Answer::Done,
            Err(failure) => refusal(&failure),
        }
    }

    fn syncs(&self) -> u64 {
        syncs::so_far()
    }
}

fn refusal(failure: &Failure) -> Answer {
    match failure {
        Failure::Overloaded(_) => Answer::Overloaded,
        other => Answer::Failed(other.to_string()),
    }
}
