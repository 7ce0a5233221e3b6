//! Runs thousands of transfers at once among some hundred accounts:
//! `cargo run --release -p bank --bin transfers`. Kill it at any moment and run it again: it first completes the
//! transfers in progress, and the balance sheet closes again.
//!
//! The exit code is 0 if the sheet closes, 1 if it does not or an error occurs, and 2 if an argument is invalid.

mod job;
mod open_bank;
mod orders;
mod report;
mod sheet;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use example_support::{Options, Program};

const PROGRAM: Program = Program {
    name: "transfers",
    about: "Moves money between accounts by sagas on a durable store, with refusals and recalls among them, and\n\
            proves at the end that no money was created or lost.\n\n\
            A second run on the same directory finds the transfers there and executes none twice.",
    options: &[
        (
            "data",
            "DIR",
            "The directory of the store, created if it does not exist\n[default: data/transfers]",
        ),
        ("transfers", "N", "The total number of transfers at the end [default: 5000]"),
        ("at-once", "N", "How many of them may be in progress at once [default: 2000]"),
    ],
};

struct Arguments {
    data: PathBuf,
    transfers: u64,
    at_once: usize,
}

impl Arguments {
    fn read(options: &mut Options) -> Result<Self, String> {
        Ok(Self {
            data: options.value("data", "data/transfers".into())?,
            transfers: options.value("transfers", 5_000)?,
            at_once: options.within("at-once", 1..=20_000, 2_000)?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match job::run(&PROGRAM.parse(Arguments::read)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transfers: {error}");
            ExitCode::FAILURE
        }
    }
}
