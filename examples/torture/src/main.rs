//! The program `torture` with the commands `write`, `verify`, `follow`, `check`, `transfers`, `balance`, `retire` and
//! `retired`, which the library documents.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use actuarius::OpenError;
use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use torture::{CheckOptions, Finding, FollowOptions, RetireOptions, TransferOptions, WriteOptions};

/// Prints promises line by line and checks them, for kill, power-cut and fault tests.
#[derive(Parser)]
#[command(version)]
enum Torture {
    /// Send commands; print TRY before each, and ACK once it is acknowledged
    ///
    /// Exits with 0 if all commands were acknowledged and the store closed, and with 1 otherwise; the error is on
    /// stderr.
    Write(WriteOptions),
    /// Open the store; print FOUND for each stored command, and BAD for each error
    ///
    /// Exits with 0 if the store could be opened and read, with 1 if it could not be opened, and with 3 if the
    /// library reported damage on reading; the error is on stderr.
    Verify {
        /// The directory of the store
        directory: PathBuf,
    },
    /// Like write, while a subscription and views of each kind follow; print AT when one advances
    Follow(FollowOptions),
    /// Like verify; print BAD for each result of a follower that differs from the log
    ///
    /// Each follower is checked twice: as it was found, against the log up to the position that it claims, and once
    /// it has reached the end of the log.
    Check(CheckOptions),
    /// Order transfers between accounts; print TRY before each order, ACK once it is acknowledged, and AT when the
    /// transfer has ended
    Transfers(TransferOptions),
    /// Write items while others are archived and removed, and compact the store; print TRY and ACK
    Retire(RetireOptions),
    /// Print FOUND for each item in its place, and BAD for each error
    Retired {
        /// The directory of the store
        directory: PathBuf,
    },
    /// Wait until every transfer has ended; print BAD for any money that was created, lost or moved partially
    Balance {
        /// The directory of the store
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    match Torture::parse() {
        Torture::Write(options) => exit_code(on_threads().block_on(torture::write(&options))),
        Torture::Verify { directory } => print_findings(|mut on_finding| {
            on_threads().block_on(torture::verify(&directory, &mut on_finding))
        }),
        Torture::Follow(options) => exit_code(on_threads().block_on(torture::follow(&options))),
        Torture::Check(options) => print_findings(|mut on_finding| {
            on_one_thread().block_on(torture::check(&options, &mut on_finding))
        }),
        Torture::Transfers(options) => {
            exit_code(on_threads().block_on(torture::transfers(&options)))
        }
        Torture::Retire(options) => exit_code(torture::retire(&options)),
        Torture::Retired { directory } => {
            print_findings(|on_finding| torture::retired(&directory, on_finding))
        }
        Torture::Balance { directory } => print_findings(|mut on_finding| {
            on_threads().block_on(torture::balance(&directory, &mut on_finding))
        }),
    }
}

fn on_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("the system can start threads")
}

fn on_one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system can start a runtime")
}

fn exit_code<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => fail(1, &stopped),
    }
}

fn print_findings(
    check: impl FnOnce(&mut dyn FnMut(Finding)) -> Result<(), OpenError>,
) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut damaged = None;
    let mut on_finding = |finding| match finding {
        // A reader that has closed the output needs no more lines.
        Finding::Found(item) => drop(writeln!(out, "FOUND {item}")),
        Finding::Ended(order) => drop(writeln!(out, "FOUND {order}")),
        Finding::At(place) => drop(writeln!(out, "AT {place}")),
        Finding::Bad(what) => drop(writeln!(out, "BAD {what}")),
        Finding::Damaged(what) => damaged = Some(what),
    };
    let opened = check(&mut on_finding);
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
