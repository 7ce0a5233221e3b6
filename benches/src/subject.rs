//! The measured subject: the runtime on one of its stores.

use std::path::Path;
use std::time::{Duration, Instant};

use actuarius::timers::TimedHosting;
use actuarius::{Aggregates, ExecuteError, Failure, Runtime, RuntimeBuilder};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::clients::{Answer, Extent, Load, Seen, Target, drive};
use crate::distribution::Chooser;
use crate::workload::{Journal, Name, Record};
use crate::{Result, syncs};

/// The time limit for closing a runtime.
const CLOSING_LIMIT: Duration = Duration::from_secs(600);

/// The kinds of stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Durable: a command is answered once its event is on disk.
    #[default]
    Sled,
    /// In memory: nothing survives the process.
    Memory,
}

impl StoreKind {
    /// The guarantee of an answer.
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
    /// Opens the runtime on a store. A durable store is in `directory`.
    ///
    /// # Errors
    /// The error of opening the store.
    pub async fn open(
        store: StoreKind,
        directory: &Path,
        builder: RuntimeBuilder,
        hosting: impl Into<TimedHosting<Journal>>,
    ) -> Result<Self> {
        // The recorder must be installed before the runtime registers its metrics.
        syncs::so_far();
        let runtime = match store {
            StoreKind::Sled => builder.open(directory).await?,
            StoreKind::Memory => builder.in_memory().await?,
        };
        let journals = runtime.host_with(hosting);
        Ok(Self { runtime, journals })
    }

    /// Closes the runtime, so that all its data is on disk.
    ///
    /// # Errors
    /// The runtime did not close within ten minutes.
    pub async fn close(self) -> Result<()> {
        let report = self.runtime.shutdown(CLOSING_LIMIT).await;
        if report.is_clean() { Ok(()) } else { Err(format!("not closed: {report:?}").into()) }
    }

    /// Sends `commands` commands to `aggregates` aggregates in turn.
    ///
    /// # Errors
    /// The first failed answer.
    pub async fn fill(&self, aggregates: usize, commands: u64, payload_bytes: usize) -> Result<()> {
        in_turn(self, aggregates, commands, payload_bytes).await.map(drop)
    }

    /// Queries each of the first `aggregates` aggregates, which activates them.
    ///
    /// # Errors
    /// The first failed answer.
    pub async fn query_all(&self, aggregates: usize) -> Result<Seen> {
        in_turn(&Queries(self.clone()), aggregates, aggregates as u64, 0).await
    }

    /// Passivates the first `aggregates` aggregates, and waits until none is active.
    ///
    /// # Errors
    /// The aggregates are not passivated in time.
    pub async fn passivate(&self, aggregates: usize) -> Result<Duration> {
        let started = Instant::now();
        for number in 0..aggregates {
            self.journals.passivate(Name::of(number).as_str())?;
        }
        while self.journals.resident() > 0 {
            if started.elapsed() > CLOSING_LIMIT {
                return Err(format!("{} are still active", self.journals.resident()).into());
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

/// Enough clients to keep the store busy.
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

/// Queries aggregates instead of sending them commands.
#[derive(Clone)]
struct Queries(Subject);

impl Target for Queries {
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
