//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use actuarius::{Codec, Hosting};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::Result;
use crate::distribution::Distribution;
use crate::subject::StoreKind;

/// Measures the Actuarius runtime beside a plain append-only log driven by the same clients
///
/// To measure: `cargo run --profile bench -p actuarius-bench -- all`. The profile `release` compiles faster, without
/// LTO, and measures less.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The scenario.
    #[command(subcommand)]
    pub scenario: Scenario,
    /// The options.
    #[command(flatten)]
    pub options: Options,
}

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Scenario {
    /// Commands per second with any number of clients and aggregates and any distribution
    Throughput,
    /// Commands per second of 1,024 clients over 10,000 aggregates
    Spread,
    /// Commands per second of 1,024 clients to one aggregate
    Hot,
    /// The same as spread with 1, 8, 64, 1,024 and 10,240 clients
    Clients,
    /// The same as spread, most commands to a few aggregates
    Zipf,
    /// The same as spread with each encoding of the events
    Encodings,
    /// The same as spread with payloads of 100, 1,000 and 16,000 bytes
    Payloads,
    /// Latency of one client, beside one fdatasync of the same disk
    OneClient,
    /// Aggregates per second activated from their snapshots
    Activation,
    /// Events per second of one long stream replayed without snapshots
    Replay,
    /// Commands per second over ten times more aggregates than may be active
    ColdStorm,
    /// Bytes of memory per idle aggregate
    Resident,
    /// Time to open a store with many events
    Open,
    /// Bytes on disk per event, after closing
    Disk,
    /// Events per second verified in a store
    Verify,
    /// Latency of overload answers with ten times more clients than may wait
    Overload,
    /// Latency of 50 clients beside an aggregate with snapshots of 64 MiB
    LargeSnapshot,
    /// Commands per second with one, three and five views of each kind, and with a saga
    Followers,
    /// Commands per second with a timer that each command replaces
    Timers,
    /// Views catching up, their lag under load, and rebuilds
    Projection,
    /// Transfers between accounts by a saga per second, from their first step to their end
    Saga,
    /// Past states of a long stream, and its history step by step
    Past,
    /// Replay of a stream by a type with upcasters, beside a type without
    Upcasting,
    /// All of the above, each in a separate process
    All,
}

impl Scenario {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Spread => "spread",
            Self::Hot => "hot",
            Self::Clients => "clients",
            Self::Zipf => "zipf",
            Self::Encodings => "encodings",
            Self::Payloads => "payloads",
            Self::OneClient => "one-client",
            Self::Activation => "activation",
            Self::Replay => "replay",
            Self::ColdStorm => "cold-storm",
            Self::Resident => "resident",
            Self::Open => "open",
            Self::Disk => "disk",
            Self::Overload => "overload",
            Self::LargeSnapshot => "large-snapshot",
            Self::Followers => "followers",
            Self::Timers => "timers",
            Self::Projection => "projection",
            Self::Verify => "verify",
            Self::Saga => "saga",
            Self::Past => "past",
            Self::Upcasting => "upcasting",
            Self::All => "all",
        }
    }
}

/// The encodings of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// bincode 2.
    Bincode,
    /// JSON.
    Json,
    /// MessagePack with names, the default of the runtime.
    #[default]
    #[value(name = "messagepack")]
    MessagePack,
}

impl From<Encoding> for Codec {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Bincode => Self::Bincode,
            Encoding::Json => Self::Json,
            Encoding::MessagePack => Self::MessagePack,
        }
    }
}

/// How a scenario is measured. Some defaults depend on the scenario.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The store under the runtime
    #[arg(long, value_enum, default_value_t, global = true)]
    pub store: StoreKind,
    /// Clients, each with one command in flight [default: 1024]
    #[arg(long, global = true)]
    pub clients: Option<usize>,
    /// Aggregates to which commands are sent [default: 10000]
    #[arg(long, global = true)]
    pub aggregates: Option<usize>,
    /// Distribution of commands over the aggregates [default: uniform]
    #[arg(long, value_enum, global = true)]
    pub distribution: Option<Distribution>,
    /// Seconds for which each side is measured, over all rounds [default: 9, quick: 1]
    #[arg(long, global = true)]
    pub seconds: Option<f64>,
    /// Seconds of warm-up in each round [default: 1, quick: 0.2]
    #[arg(long, global = true)]
    pub warm_up: Option<f64>,
    /// Rounds; the figures are their medians [default: 3, quick: 1]
    #[arg(long, global = true)]
    pub rounds: Option<usize>,
    /// Commands in each round, instead of seconds
    #[arg(long, global = true)]
    pub commands: Option<u64>,
    /// Bytes of each event's payload
    #[arg(long, default_value_t = 100, global = true)]
    pub payload_bytes: usize,
    /// Encoding of the events
    #[arg(long, value_enum, default_value_t, global = true)]
    pub codec: Encoding,
    /// Store events without reading them back first
    #[arg(long, global = true)]
    pub trust_codec: bool,
    /// Events in the store, for scenarios that fill one [default: 1000000, quick: 20000]
    #[arg(long, global = true)]
    pub events: Option<u64>,
    /// Aggregates that may be active in `cold-storm` [default: a tenth]
    #[arg(long, global = true)]
    pub resident_limit: Option<usize>,
    /// Directory of the files, on a real disk; they are removed afterwards [default: ./target]
    #[arg(long, global = true)]
    pub directory: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, global = true)]
    pub json: Option<PathBuf>,
    /// Print the figures beside those that an earlier run wrote with --json
    #[arg(long, value_name = "FILE", global = true)]
    pub compare: Option<PathBuf>,
    /// Write a report as .html or .svg
    #[arg(long, global = true)]
    pub report: Option<PathBuf>,
    /// Run small and fast: checks that everything works, and measures nothing
    #[arg(long, global = true)]
    pub quick: bool,
    /// Seed of all random choices
    #[arg(long, default_value_t = 42, global = true)]
    pub seed: u64,
}

impl Options {
    /// The given value, or the default for a full or a quick run.
    #[must_use]
    pub fn or<T>(&self, given: Option<T>, full: T, quick: T) -> T {
        given.unwrap_or(if self.quick { quick } else { full })
    }

    /// How the measured type is hosted, with the chosen encoding.
    #[must_use]
    pub fn hosting(&self) -> Hosting {
        let hosting = Hosting::default().codec(self.codec.into());
        if self.trust_codec { hosting.trust_codec() } else { hosting }
    }

    /// The number of rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.or(self.rounds, 3, 1).max(1)
    }

    /// The time for which each side is measured in one round.
    #[must_use]
    pub fn round_time(&self) -> Duration {
        let seconds = self.or(self.seconds, 9.0, 1.0) / self.rounds() as f64;
        Duration::from_secs_f64(seconds.clamp(0.01, 86_400.0))
    }

    /// The warm-up at the beginning of a round.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.or(self.warm_up, 1.0, 0.2).clamp(0.0, 86_400.0))
    }

    /// A new directory, removed when dropped.
    ///
    /// # Errors
    /// The error of the operating system.
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
    fn the_command_line_is_valid() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["bench", "hot", "--clients", "7", "--store", "memory"]);
        assert_eq!((cli.scenario, cli.options.clients), (Scenario::Hot, Some(7)));
        assert_eq!(cli.options.store, StoreKind::Memory);
    }

    #[test]
    fn every_scenario_has_the_name_of_its_command() {
        for command in Cli::command().get_subcommands().filter(|it| it.get_name() != "help") {
            let cli = Cli::parse_from(["bench", command.get_name()]);
            assert_eq!(cli.scenario.name(), command.get_name());
        }
    }
}
