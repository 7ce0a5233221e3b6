//! Thousands of transfers at once, among some hundred accounts:
//! `cargo run --release -p bank --bin transfers`. Kill it at any moment and run it again: it finishes
//! first what was under way, and the balance sheet closes again.
//!
//! The exit code is 0 when the sheet closes, 1 when it does not or there is trouble, and 2 when an
//! argument cannot be used.

mod house;
mod job;
mod orders;
mod report;
mod sheet;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Moves money between accounts by sagas on a durable store, with refusals and recalls among them, and
/// proves at the end that none was made or lost.
///
/// A second run on the same directory finds the transfers there and carries out none twice.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The directory of the store, made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "data/transfers")]
    data: PathBuf,
    /// How many transfers there are to be in the end
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    transfers: u64,
    /// How many of them may be under way at once
    #[arg(long, value_name = "N", default_value_t = 2_000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=20_000))]
    at_once: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match job::run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("transfers: {trouble}");
            ExitCode::FAILURE
        }
    }
}
