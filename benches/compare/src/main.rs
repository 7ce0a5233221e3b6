//! The same bank on Actuarius and on cqrs-es, in one table: the same commands to as many accounts
//! from as many clients.
//!
//! Each candidate runs in a process of its own whose standard output goes nowhere, because the
//! store in memory of cqrs-es prints two lines for each command; formatting them is part of what it
//! costs as published. Candidates take turns, so that drift of the machine hits all.

mod bank;
mod ours;
mod peer;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use actuarius_bench::distribution::Distribution;
use clap::{Parser, ValueEnum};

/// Compares the same bank on Actuarius and on cqrs-es.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Clients, each with one command under way
    #[arg(long, default_value_t = 1_024)]
    clients: usize,
    /// Accounts
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    /// How commands are spread over the accounts
    #[arg(long, value_enum, default_value_t)]
    distribution: Distribution,
    /// Seconds each candidate is measured in each round
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before anything counts
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Commands in each round, instead of seconds
    #[arg(long)]
    commands: Option<u64>,
    /// Rounds; the figures are medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the durable store goes: on a real disk, and removed afterwards
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
