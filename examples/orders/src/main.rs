//! Thousands of orders at once, with customers who cannot or do not pay, and goods that run out:
//! `cargo run --release -p orders`. Kill it at any moment and run it again: it finishes first what was
//! under way, and the balance sheet closes again.
//!
//! The exit code is 0 when the sheet closes, 1 when it does not or there is trouble, and 2 when an
//! argument cannot be used.

mod books;
mod customers;
mod house;
mod job;
mod plan;
mod report;
mod sheet;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Fulfils orders by sagas on a durable store, with refusals of every kind among them, and proves at
/// the end that no goods and no money were made or lost.
///
/// A second run on the same directory finds the orders there and fulfils none twice.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The directory of the store, made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "data/orders")]
    data: PathBuf,
    /// How many orders there are to be in the end
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    orders: u64,
    /// How many of them may be under way at once
    #[arg(long, value_name = "N", default_value_t = 2_000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=20_000))]
    at_once: usize,
    /// How many milliseconds customers have to pay
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    pay_within: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match job::run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("orders: {trouble}");
            ExitCode::FAILURE
        }
    }
}
