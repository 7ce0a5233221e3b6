//! `kill -9` at random moments while subscriptions and views follow, events are parked, retried and
//! skipped, and the subscription is reset. After each kill, everything they have stored equals the
//! log up to their position, and in the end the whole log.
//!
//! Moments are counted in lines of output, as in `kill.rs`. `TORTURE_KILLS` and `TORTURE_SEED` work
//! as there.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::common::{Known, setting, start, torture};

/// The moments of a kill: the beginning of the lines to count, and their maximum.
const MOMENTS: [(&str, usize); 7] = [
    ("ACK ", 400),
    ("AT effects ", 300),
    ("AT recent ", 150),
    ("AT totals ", 150),
    ("AT report ", 150),
    ("REBUILDING recent", 1),
    ("REBUILDING totals", 1),
];

/// The number of kills per version of the keyed view.
const KILLS_PER_VERSION: u64 = 3;

fn follower(directory: &Path, version: u64, word: &str, dice: &mut Rng) -> Command {
    let mut command = torture("follow", directory);
    command.args(["--commands", "1000000", "--seed", &dice.u64(..).to_string()]);
    // A rebuild must overtake the writers.
    let most = if word.starts_with("REBUILDING") { 1 } else { 15 };
    command.args(["--clients", &dice.u32(1..=most).to_string()]);
    // With few journals, more events of one key are parked than have notes of their own.
    command.args(["--ids", if dice.u32(0..3) == 0 { "2" } else { "100" }]);
    // In some runs nothing fails permanently, so that leftovers of the others are handled.
    command.args(["--park-one-in", if dice.u32(0..4) == 0 { "0" } else { "60" }]);
    command.args(["--rebuild-every", "100", "--view-version", &version.to_string()]);
    command
}

fn checker(directory: &Path, version: u64, retries: bool) -> Command {
    let mut command = torture("check", directory);
    command.args(["--view-version", &version.to_string()]);
    if retries {
        command.arg("--retry-parked");
    }
    command
}

/// Kills a checker while it opens the store, or while its followers catch up.
fn kill_a_checker(directory: &Path, version: u64, dice: &mut Rng) {
    let (mut child, _lines) = start(&mut checker(directory, version, dice.bool()));
    // The checker prints nothing before it has read everything, so the test counts its own turns
    // instead.
    for _ in 0..dice.u32(0..200_000) {
        std::thread::yield_now();
    }
    child.kill().expect("killing what has ended is no error");
    child.wait().expect("the checker has ended");
}

#[test]
fn followers_killed_at_any_moment_equal_the_log() {
    let seed = setting("TORTURE_SEED", 1);
    let mut dice = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for kill in 0..setting("TORTURE_KILLS", 10) {
        let version = 1 + kill / KILLS_PER_VERSION;
        let (word, most) = MOMENTS[kill as usize % MOMENTS.len()];
        let moment = (word, dice.usize(1..=most));
        let said = known.write(follower(directory.path(), version, word, &mut dice), moment);
        if dice.bool() {
            kill_a_checker(directory.path(), version, &mut dice);
        }
        let when = format!("seed {seed}, kill {kill} at {moment:?}");
        let retries = dice.u32(0..3) == 0;
        let places = known.check(checker(directory.path(), version, retries), &when);
        // For `--nocapture`: whether the moment occurred, and the position of each follower.
        println!("{when}, {said} lines: {}", places[..4].join(", "));
    }
}

#[test]
fn undisturbed_followers_reach_the_end_of_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for _ in 0..2 {
        let mut command = torture("follow", directory.path());
        let (mut child, lines) =
            start(command.args(["--commands", "100", "--rebuild-every", "50"]));
        for line in lines {
            known.hear(&line);
        }
        assert!(child.wait().expect("it has ended").success());
    }
    let places = known.check(checker(directory.path(), 1, true), "after two runs");
    for place in places {
        let (at, head) = place.split_once(" of ").expect("a position, and the head");
        assert!(at.ends_with(&format!(" {head}")), "{place}");
    }
}
