//! Replays the purchases of an online record shop: `cargo run --release -p shop`.
//!
//! The exit code is 0 if all sums agree, 1 if a sum differs or an error occurs, and 2 if the input or an argument is
//! invalid.

mod job;
mod looking_back;
mod progress;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use example_support::{Options, Program};
use shop::Date;

const PROGRAM: Program = Program {
    name: "shop",
    about: "Replays real purchases of an online record shop as commands to an embedded, durable runtime, adds up\n\
            what the customers bought, and proves the sums by closing, reopening and querying again.\n\n\
            A second run on the same directory finds the purchases there and writes nothing twice.",
    options: &[
        (
            "file",
            "PATH",
            "The file of purchases [default: the sample that comes with this example]",
        ),
        (
            "data",
            "DIR",
            "The directory of the store, created if it does not exist [default: data/shop]",
        ),
        (
            "clients",
            "N",
            "How many clients send purchases at the same time, one at a time each [default: 1024]",
        ),
        (
            "as-of",
            "DATE",
            "Show the evening of this day, like 19970630: the best customers, and one of them step by\n\
             step. For this, the file is replayed once more, day by day, into a store below DIR whose\n\
             clock follows the file",
        ),
        (
            "customer",
            "ID",
            "The customer shown step by step [default: the best customer of that day]",
        ),
    ],
};

struct Arguments {
    file: PathBuf,
    data: PathBuf,
    clients: usize,
    as_of: Option<Date>,
    customer: Option<String>,
}

impl Arguments {
    fn read(options: &mut Options) -> Result<Self, String> {
        let arguments = Self {
            file: options.value("file", sample())?,
            data: options.value("data", "data/shop".into())?,
            clients: options.within("clients", 1..=60_000, 1_024)?,
            as_of: options.optional("as-of")?,
            customer: options.optional("customer")?,
        };
        match (&arguments.customer, arguments.as_of) {
            (Some(_), None) => Err("--customer requires --as-of".to_owned()),
            _ => Ok(arguments),
        }
    }
}

/// The sample beside this crate's sources, so that a fresh clone runs from any directory.
fn sample() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt")
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = PROGRAM.parse(Arguments::read);
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("shop: {failed}");
            ExitCode::from(failed.exit_code())
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), job::JobError> {
    let history = job::run(arguments).await?;
    match arguments.as_of {
        Some(day) => looking_back::run(arguments, &history, day).await,
        None => Ok(()),
    }
}
