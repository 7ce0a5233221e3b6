//! Replays the purchases of an online record shop: `cargo run --release -p shop`.
//!
//! The exit code is 0 when every sum agrees, 1 when the shop has trouble or a sum differs, and 2
//! when the input or an argument cannot be used.

mod job;
mod looking_back;
mod progress;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use shop::Date;

/// Replays real purchases of an online record shop as commands to an embedded, durable runtime,
/// adds up what the customers say they bought, and proves it by closing, reopening and asking again.
///
/// A second run on the same directory finds the purchases there and writes nothing twice.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The file of purchases [default: the sample that comes with this example]
    #[arg(long, value_name = "PATH", default_value_os_t = sample(), hide_default_value = true)]
    file: PathBuf,
    /// The directory of the store, made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "data/shop")]
    data: PathBuf,
    /// How many clients send purchases at the same time, each one at a time
    #[arg(long, value_name = "N", default_value_t = 1_024,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=60_000))]
    clients: usize,
    /// Show what was on the evening of this day, like 19970630: the best customers, and one of them step by
    /// step. The file is then replayed once more, day by day, into a store below DIR whose clock follows it
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Whom to show step by step [default: the best customer of that day]
    #[arg(long, value_name = "ID", requires = "as_of")]
    customer: Option<String>,
}

/// Beside this crate's sources, so that a fresh clone runs from any directory.
fn sample() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt")
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("shop: {failed}");
            ExitCode::from(failed.exit_code())
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), job::Failed> {
    let history = job::run(arguments).await?;
    match arguments.as_of {
        Some(day) => looking_back::run(arguments, &history, day).await,
        None => Ok(()),
    }
}
