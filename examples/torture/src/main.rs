//! `torture write DIR` and `torture verify DIR`: see the library's documentation.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use torture::{Finding, WriteOptions};

/// Promises on lines of their own, and their check: for kill, power-cut and fault tests.
#[derive(Parser)]
#[command(version)]
enum Torture {
    /// Sends commands; says TRY before each and ACK once it is acknowledged
    ///
    /// Exits with 0 when all commands were acknowledged and the store closed, with 1 otherwise; the
    /// error is on stderr.
    Write(WriteOptions),
    /// Opens the store and says FOUND for each stored command, BAD for anything wrong
    ///
    /// Exits with 0 when the store opened and could be read, with 1 when it could not be opened,
    /// and with 3 when the library named damage on reading; the error is on stderr.
    Verify {
        /// Where the store is
        directory: PathBuf,
    },
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match Torture::parse() {
        Torture::Write(options) => match torture::write(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(stopped) => fail(1, &stopped),
        },
        Torture::Verify { directory } => verify(&directory).await,
    }
}

async fn verify(directory: &Path) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut damaged = None;
    let mut tell = |finding| match finding {
        // A reader that has gone away wants no more lines.
        Finding::Found(item) => drop(writeln!(out, "FOUND {item}")),
        Finding::Bad(what) => drop(writeln!(out, "BAD {what}")),
        Finding::Damaged(what) => damaged = Some(what),
    };
    let opened = torture::verify(directory, &mut tell).await;
    if let Err(error) = out.flush() {
        return fail(1, &error);
    }
    match (opened, damaged) {
        (Err(error), _) => fail(1, &error),
        (Ok(()), Some(what)) => fail(3, &what),
        (Ok(()), None) => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("torture: error: {error}");
    ExitCode::from(code)
}
