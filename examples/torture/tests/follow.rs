//! `kill -9` at random moments while subscriptions and views follow, events are parked, retried and
//! skipped, and the subscription is reset: after each, everything they have kept is what the log says
//! up to the position they claim, and what they come to is what the whole log says.
//!
//! Moments are counted in lines of output, as in `kill.rs`; `TORTURE_KILLS` and `TORTURE_SEED` are
//! the same, too.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::common::{Known, setting, start, torture};

/// What a kill may hit: the work behind the lines that begin so, at most so many of them.
const MOMENTS: [(&str, usize); 7] = [
    ("ACK ", 400),
    ("AT effects ", 300),
    ("AT recent ", 150),
    ("AT totals ", 150),
    ("AT report ", 150),
    ("REBUILDING recent", 1),
    ("REBUILDING totals", 1),
];

/// How many kills one version of the keyed view lives through.
const KILLS_PER_VERSION: u64 = 3;

fn follower(directory: &Path, version: u64, word: &str, dice: &mut Rng) -> Command {
    let mut command = torture("follow", directory);
    command.args(["--commands", "1000000", "--seed", &dice.u64(..).to_string()]);
    // What is built anew must overtake who writes.
    let most = if word.starts_with("REBUILDING") { 1 } else { 15 };
    command.args(["--clients", &dice.u32(1..=most).to_string()]);
    // With few journals, more events are parked behind one than are listed.
    command.args(["--ids", if dice.u32(0..3) == 0 { "2" } else { "100" }]);
    // In some lives nothing fails for good, so that it is seen what the others have left.
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
    // It says nothing before it has looked at everything, so turns of ours are counted instead.
    for _ in 0..dice.u32(0..200_000) {
        std::thread::yield_now();
    }
    child.kill().expect("killing what has ended is no error");
    child.wait().expect("the checker has ended");
}

#[test]
fn killed_at_any_moment_what_follows_is_what_the_log_says() {
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
        // For `--nocapture`: whether the moment came, and how far each was when it was found.
        println!("{when}, said {said} times: {}", places[..4].join(", "));
    }
}

#[test]
fn left_alone_everything_comes_to_the_end_of_the_log() {
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
