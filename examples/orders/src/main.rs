//! Runs thousands of orders at once, with customers who cannot or do not pay, and goods that run out:
//! `cargo run --release -p orders`. Kill it at any moment and run it again: it first completes the orders in
//! progress, and the balance sheet closes again.
//!
//! The exit code is 0 if the sheet closes, 1 if it does not or an error occurs, and 2 if an argument is invalid.

mod books;
mod customers;
mod job;
mod plan;
mod report;
mod sheet;
mod shop;

use std::path::PathBuf;
use std::process::ExitCode;

use example_support::{Options, Program};

const PROGRAM: Program = Program {
    name: "orders",
    about: "Fulfils orders by sagas on a durable store, with refusals of every kind among them, and proves at the\n\
            end that no goods and no money were created or lost.\n\n\
            A second run on the same directory finds the orders there and fulfils none twice.",
    options: &[
        (
            "data",
            "DIR",
            "The directory of the store, created if it does not exist\n[default: data/orders]",
        ),
        ("orders", "N", "The total number of orders at the end [default: 5000]"),
        ("at-once", "N", "How many of them may be in progress at once [default: 2000]"),
        ("pay-within", "MS", "How many milliseconds customers have to pay [default: 2000]"),
    ],
};

struct Arguments {
    data: PathBuf,
    orders: u64,
    at_once: usize,
    pay_within: u64,
}

impl Arguments {
    fn read(options: &mut Options) -> Result<Self, String> {
        Ok(Self {
            data: options.value("data", "data/orders".into())?,
            orders: options.value("orders", 5_000)?,
            at_once: options.within("at-once", 1..=20_000, 2_000)?,
            pay_within: options.value("pay-within", 2_000)?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match job::run(&PROGRAM.parse(Arguments::read)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orders: {error}");
            ExitCode::FAILURE
        }
    }
}
