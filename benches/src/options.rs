//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;

use crate::Result;
use crate::distribution::Distribution;
use crate::subject::StoreKind;

/// Measures the Actuarius runtime beside a plain append-only log driven by the same clients.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: Scenario,
    /// How.
    #[command(flatten)]
    pub options: Options,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Scenario {
    /// Commands per second with the clients, aggregates and distribution you choose
    Throughput,
    /// 1,024 clients over 10,000 aggregates
    Spread,
    /// 1,024 clients at one aggregate
    Hot,
    /// One client, beside one fdatasync of the same disk
    OneClient,
    /// Aggregates per second that come into memory from their snapshots
    Activation,
    /// Events per second of one long stream replayed without snapshots
    Replay,
    /// Ten times more aggregates than may be in memory, at random
    ColdStorm,
    /// Bytes of memory per idle aggregate
    Resident,
    /// Time to open a store with many events
    Open,
    /// Bytes on disk per event, after closing
    Disk,
    /// Events per second that a store is verified with
    Verify,
    /// Ten times more clients than may wait
    Overload,
    /// Catching up into views, their lag under load, and what they cost those who write
    Projection,
    /// Transfers between accounts that a saga carries out, from their first step to their end
    Saga,
    /// States of the past of a long stream, and its history step by step
    Past,
    /// Replaying a stream whose events could be upcast, beside one whose could not
    Upcasting,
    /// All of the above, each in a process of its own
    All,
}

impl Scenario {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Spread => "spread",
            Self::Hot => "hot",
            Self::OneClient => "one-client",
            Self::Activation => "activation",
            Self::Replay => "replay",
            Self::ColdStorm => "cold-storm",
            Self::Resident => "resident",
            Self::Open => "open",
            Self::Disk => "disk",
            Self::Overload => "overload",
            Self::Projection => "projection",
            Self::Verify => "verify",
            Self::Saga => "saga",
            Self::Past => "past",
            Self::Upcasting => "upcasting",
            Self::All => "all",
        }
    }
}

/// How it is measured. What is not given has a default that depends on the scenario.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The store under the runtime
    #[arg(long, value_enum, default_value_t, global = true)]
    pub store: StoreKind,
    /// Clients, each with one command under way [default: 1024]
    #[arg(long, global = true)]
    pub clients: Option<usize>,
    /// Aggregates the commands go to [default: 10000]
    #[arg(long, global = true)]
    pub aggregates: Option<usize>,
    /// How commands are spread over them [default: uniform]
    #[arg(long, value_enum, global = true)]
    pub distribution: Option<Distribution>,
    /// Seconds each side is measured, over all rounds [default: 9, quick: 1]
    #[arg(long, global = true)]
    pub seconds: Option<f64>,
    /// Seconds before anything counts, in each round [default: 1, quick: 0.2]
    #[arg(long, global = true)]
    pub warm_up: Option<f64>,
    /// Turns each side takes; the figures are medians of them [default: 3, quick: 1]
    #[arg(long, global = true)]
    pub rounds: Option<usize>,
    /// Commands in each round, instead of seconds
    #[arg(long, global = true)]
    pub commands: Option<u64>,
    /// Bytes of each event's payload
    #[arg(long, default_value_t = 100, global = true)]
    pub payload_bytes: usize,
    /// Events the store is filled with, where one is filled
    /// [default: 1000000, quick: 20000]
    #[arg(long, global = true)]
    pub events: Option<u64>,
    /// Aggregates that may be in memory in `cold-storm` [default: a tenth]
    #[arg(long, global = true)]
    pub resident_limit: Option<usize>,
    /// Where the files go: on a real disk, and removed afterwards [default: ./target]
    #[arg(long, global = true)]
    pub directory: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, global = true)]
    pub json: Option<PathBuf>,
    /// Write a report for people, as .html or .svg
    #[arg(long, global = true)]
    pub report: Option<PathBuf>,
    /// Small and fast: shows that everything works, not how fast it is
    #[arg(long, global = true)]
    pub quick: bool,
    /// Makes random choices repeatable
    #[arg(long, default_value_t = 42, global = true)]
    pub seed: u64,
}

impl Options {
    /// One of two defaults.
    #[must_use]
    pub fn or<T>(&self, given: Option<T>, full: T, quick: T) -> T {
        given.unwrap_or(if self.quick { quick } else { full })
    }

    /// How many turns each side takes.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.or(self.rounds, 3, 1).max(1)
    }

    /// How long each side is measured in one round.
    #[must_use]
    pub fn round_time(&self) -> Duration {
        let seconds = self.or(self.seconds, 9.0, 1.0) / self.rounds() as f64;
        Duration::from_secs_f64(seconds.clamp(0.01, 86_400.0))
    }

    /// How long nothing counts at the beginning of a round.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.or(self.warm_up, 1.0, 0.2).clamp(0.0, 86_400.0))
    }

    /// A directory of its own, removed when dropped.
    ///
    /// # Errors
    /// What the system says.
    pub fn scratch(&self) -> Result<TempDir> {
        let parent = self.directory.clone().unwrap_or_else(|| PathBuf::from("target"));
        std::fs::create_dir_all(&parent)?;
        Ok(tempfile::Builder::new().prefix("actuarius-bench-").tempdir_in(parent)?)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["bench", "hot", "--clients", "7", "--store", "memory"]);
        assert_eq!((cli.scenario, cli.options.clients), (Scenario::Hot, Some(7)));
        assert_eq!(cli.options.store, StoreKind::Memory);
    }

    #[test]
    fn every_scenario_is_called_what_it_is_named() {
        for command in Cli::command().get_subcommands().filter(|it| it.get_name() != "help") {
            let cli = Cli::parse_from(["bench", command.get_name()]);
            assert_eq!(cli.scenario.name(), command.get_name());
        }
    }
}
