//! Compares the same bank on Actuarius and on cqrs-es in one table: the same commands to as many accounts from as many
//! clients.
//!
//! Each candidate runs in a separate process whose standard output is discarded, because the store in memory of
//! cqrs-es prints two lines for each command; formatting them is part of its published cost. Candidates take turns, so
//! that drift of the machine affects all of them.

mod bank;
mod ours;
mod peer;
mod run;
mod sqlite;

use std::path::PathBuf;
use std::process::ExitCode;

use actuarius_bench::distribution::Distribution;
use clap::{Parser, ValueEnum};

/// Compares the same bank on Actuarius and on cqrs-es
///
/// To measure: `cargo run --profile bench -p actuarius-compare`.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Clients, each with one command in flight
    #[arg(long, default_value_t = 1_024)]
    clients: usize,
    /// Accounts
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    /// Distribution of commands over the accounts
    #[arg(long, value_enum, default_value_t)]
    distribution: Distribution,
    /// Seconds for which each candidate is measured in each round
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of warm-up
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Commands in each round, instead of seconds
    #[arg(long)]
    commands: Option<u64>,
    /// Rounds; the figures are medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Directory of the durable store, on a real disk; it is removed afterwards
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Run one candidate in this process, and write its figures to `--json`
    #[arg(long, value_enum, requires = "json")]
    only: Option<Which>,
}

/// The candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Actuarius on sled
    Durable,
    /// Actuarius on its store in memory
    Memory,
    /// cqrs-es on its store in memory
    CqrsEs,
    /// cqrs-es on SQLite
    CqrsEsSqlite,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.only {
        Some(which) => run::one(which, &options).await,
        None => run::all(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actuarius-compare: {error}");
            ExitCode::FAILURE
        }
    }
}
