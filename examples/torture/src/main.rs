//! `torture write DIR`, `verify`, `follow`, `check`, `transfers`, `balance`, `retire` and `retired`: see the library's documentation.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use actuarius::OpenError;
use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use torture::{CheckOptions, Finding, FollowOptions, RetireOptions, TransferOptions, WriteOptions};

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
    /// Like write, while a subscription and views of each kind follow; says AT when one has come on
    Follow(FollowOptions),
    /// Like verify; says BAD for anything the followers have made that the log does not say
    ///
    /// Each follower is looked at twice: as it was found, against the log up to the position it
    /// claims, and when it has come to the end of the log.
    Check(CheckOptions),
    /// Orders transfers between accounts; says TRY before each order, ACK once it is acknowledged and AT
    /// when the transfer has ended
    Transfers(TransferOptions),
    /// Writes items while others are archived and removed, and compacts the store; says TRY and ACK
    Retire(RetireOptions),
    /// Says FOUND for each item in its place, BAD for what is not as it should be
    Retired {
        /// Where the store is
        directory: PathBuf,
    },
    /// Has every transfer end, and says BAD for any money that is made, lost or half moved
    Balance {
        /// Where the store is
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    match Torture::parse() {
        Torture::Write(options) => written(on_threads().block_on(torture::write(&options))),
        Torture::Verify { directory } => {
            told(|mut tell| on_threads().block_on(torture::verify(&directory, &mut tell)))
        }
        Torture::Follow(options) => written(on_threads().block_on(torture::follow(&options))),
        Torture::Check(options) => {
            told(|mut tell| on_one_thread().block_on(torture::check(&options, &mut tell)))
        }
        Torture::Transfers(options) => written(on_threads().block_on(torture::transfers(&options))),
        Torture::Retire(options) => written(torture::retire(&options)),
        Torture::Retired { directory } => told(|tell| torture::retired(&directory, tell)),
        Torture::Balance { directory } => {
            told(|mut tell| on_threads().block_on(torture::balance(&directory, &mut tell)))
        }
    }
}

fn on_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("the system gives threads")
}

fn on_one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system gives what it needs")
}

fn written<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => fail(1, &stopped),
    }
}

fn told(look: impl FnOnce(&mut dyn FnMut(Finding)) -> Result<(), OpenError>) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut damaged = None;
    let mut tell = |finding| match finding {
        // A reader that has gone away wants no more lines.
        Finding::Found(item) => drop(writeln!(out, "FOUND {item}")),
        Finding::Ended(order) => drop(writeln!(out, "FOUND {order}")),
        Finding::At(place) => drop(writeln!(out, "AT {place}")),
        Finding::Bad(what) => drop(writeln!(out, "BAD {what}")),
        Finding::Damaged(what) => damaged = Some(what),
    };
    let opened = look(&mut tell);
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
