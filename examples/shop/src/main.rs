//! Replays the purchases of an online record shop: `cargo run --release -p shop`.
//!
//! The exit code is 0 when every sum agrees, 1 when the shop has trouble or a sum differs, and 2
//! when the input or an argument cannot be used.

mod job;
mod progress;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

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
}

/// Beside this crate's sources, so that a fresh clone runs from any directory.
fn sample() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt")
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match job::run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("shop: {failed}");
            ExitCode::from(failed.exit_code())
        }
    }
}
