//! `kill -9` at random moments while a saga moves money between accounts, some of which refuse it
//! or never answer. At every position of the log no cent is created or lost, counting pending
//! transfers, and in the end every transfer is done once or undone once.
//!
//! Moments are counted in lines of output, as in `kill.rs`. `TORTURE_KILLS` and `TORTURE_SEED` work
//! as there.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::common::{Known, setting, start, torture};

/// The moments of a kill: the beginning of the lines to count, and their maximum.
const MOMENTS: [(&str, usize); 3] = [("ACK ", 150), ("AT ", 150), ("TRY ", 40)];

fn mover(directory: &Path, dice: &mut Rng) -> Command {
    let mut command = torture("transfers", directory);
    command.args(["--transfers", "1000000", "--seed", &dice.u64(..).to_string()]);
    command.args(["--clients", &dice.u32(1..=64).to_string()]);
    command
}

/// Kills a bank while it finishes pending transfers.
fn kill_a_balance(directory: &Path, dice: &mut Rng) {
    let (mut child, _lines) = start(&mut torture("balance", directory));
    // The bank prints little before it has read everything, so the test counts its own turns
    // instead.
    for _ in 0..dice.u32(0..200_000) {
        std::thread::yield_now();
    }
    child.kill().expect("killing what has ended is no error");
    child.wait().expect("the bank has ended");
}

#[test]
fn transfers_killed_at_any_moment_are_done_once_or_undone_once() {
    let seed = setting("TORTURE_SEED", 1);
    let mut dice = Rng::with_seed(seed);
    let mut directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for kill in 0..setting("TORTURE_KILLS", 10) {
        if kill % 20 == 19 {
            // Each check reads the whole log.
            (directory, known) = (tempfile::tempdir().expect("a directory"), Known::default());
        }
        let (word, most) = MOMENTS[kill as usize % MOMENTS.len()];
        let moment = (word, dice.usize(1..=most));
        let said = known.write(mover(directory.path(), &mut dice), moment);
        if dice.bool() {
            kill_a_balance(directory.path(), &mut dice);
        }
        // In some runs pending transfers are left to the next ones.
        if dice.u32(0..3) > 0 {
            let when = format!("seed {seed}, kill {kill} at {moment:?}");
            known.check(torture("balance", directory.path()), &when);
            println!("{when}, {said} lines: the balance is right");
        }
    }
    known.check(torture("balance", directory.path()), "in the end");
}

#[test]
fn every_undisturbed_transfer_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for seed in ["1", "2"] {
        let mut command = torture("transfers", directory.path());
        let (mut child, lines) = start(command.args(["--transfers", "200", "--seed", seed]));
        for line in lines {
            known.hear(&line);
        }
        assert!(child.wait().expect("it has ended").success());
        known.check(torture("balance", directory.path()), "left alone");
    }
}
