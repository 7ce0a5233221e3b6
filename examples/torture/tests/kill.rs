//! `kill -9` at random moments under load, again and again on one directory: after each reopening
//! every acknowledged command is there, none twice, and versions and positions have no gaps.
//!
//! Moments are counted in lines of output, not in time: a kill after the seventeenth
//! acknowledgement hits the work on the eighteenth. `TORTURE_KILLS=1000` runs longer,
//! `TORTURE_SEED=7` runs something else.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use fastrand::Rng;

/// What one cycle writes, and how.
struct Cycle {
    payload_bytes: usize,
    arguments: &'static [&'static str],
    /// At most so many acknowledgements before the kill.
    longest: usize,
}

const CYCLES: [Cycle; 6] = [
    Cycle { payload_bytes: 100, arguments: &[], longest: 400 },
    Cycle { payload_bytes: 100, arguments: SNAPSHOTS, longest: 400 },
    Cycle { payload_bytes: 100, arguments: PASSIVATION, longest: 400 },
    Cycle { payload_bytes: 16_384, arguments: SNAPSHOTS, longest: 40 },
    Cycle { payload_bytes: 16_384, arguments: PASSIVATION, longest: 40 },
    Cycle { payload_bytes: 300_000, arguments: SNAPSHOTS, longest: 4 },
];
const SNAPSHOTS: &[&str] = &["--snapshot-every", "1"];
const PASSIVATION: &[&str] =
    &["--passivate-after-ms", "1", "--passivation-chance", "0.5", "--resident-limit", "3"];

/// What the outside knows of a store: the oracle.
#[derive(Default)]
struct Known {
    tried: HashSet<String>,
    acknowledged: HashSet<String>,
}

impl Known {
    fn hear(&mut self, line: &str) -> bool {
        match line.split_once(' ') {
            Some(("TRY", id)) => drop(self.tried.insert(id.to_owned())),
            Some(("ACK", id)) => return self.acknowledged.insert(id.to_owned()),
            _ => panic!("an unknown line: {line:?}"),
        }
        false
    }

    /// Writes until so many commands are acknowledged, then kills the writer.
    fn write(&mut self, directory: &Path, cycle: &Cycle, seed: u64, kill_after: usize) {
        let mut command = torture("write", directory);
        command.args(["--commands", "1000000", "--seed", &seed.to_string()]);
        command.args(["--payload-bytes", &cycle.payload_bytes.to_string()]);
        let (mut child, lines) = start(command.args(cycle.arguments));
        let mut acknowledged = 0;
        for line in lines {
            acknowledged += usize::from(self.hear(&line));
            if acknowledged == kill_after {
                // What is in the pipe by now was said all the same, so it is listened to.
                child.kill().expect("the writer runs");
            }
        }
        child.wait().expect("the writer has ended");
        assert!(acknowledged >= kill_after, "the writer ended by itself");
    }

    fn check(&self, directory: &Path, when: &str) {
        let output = torture("verify", directory).output().expect("the verifier runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{when}: {errors}");
        let mut found = HashSet::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let id = line.strip_prefix("FOUND ").unwrap_or_else(|| panic!("{when}: {line}"));
            assert!(found.insert(id.to_owned()), "{when}: {id} is there twice");
        }
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{when}: acknowledged and lost: {lost:?}");
        let phantoms: Vec<_> = found.difference(&self.tried).collect();
        assert!(phantoms.is_empty(), "{when}: never sent and yet there: {phantoms:?}");
    }
}

fn torture(what: &str, directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torture"));
    command.arg(what).arg(directory);
    command
}

/// Only whole lines are heard: one that a kill cut short was not said.
fn start(command: &mut Command) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let out: ChildStdout = child.stdout.take().expect("its output is piped");
    let mut out = BufReader::new(out);
    let lines = std::iter::from_fn(move || {
        let mut line = String::new();
        out.read_line(&mut line).expect("its output is text");
        line.strip_suffix('\n').map(str::to_owned)
    });
    (child, lines)
}

/// Starts a verification and kills it somewhere: while it opens and recovers the store, while it
/// reads, or while it closes.
fn kill_a_verifier(directory: &Path, dice: &mut Rng) {
    let (mut child, lines) = start(&mut torture("verify", directory));
    if dice.bool() {
        // It says nothing while it opens, so this moment is counted in turns of ours instead.
        for _ in 0..dice.u32(0..20_000) {
            std::thread::yield_now();
        }
    } else {
        drop(lines.take(dice.usize(1..200)).last());
    }
    child.kill().expect("killing what has ended is no error");
    child.wait().expect("the verifier has ended");
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn killed_at_any_moment_it_keeps_what_it_acknowledged() {
    let seed = setting("TORTURE_SEED", 1);
    let mut dice = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for kill in 0..setting("TORTURE_KILLS", 20) {
        let cycle = &CYCLES[kill as usize % CYCLES.len()];
        let kill_after = dice.usize(1..=cycle.longest);
        known.write(directory.path(), cycle, dice.u64(..), kill_after);
        if dice.bool() {
            kill_a_verifier(directory.path(), &mut dice);
        }
        known.check(directory.path(), &format!("seed {seed}, kill {kill}"));
    }
}

/// The first start is the most delicate one: the store is made in it.
#[test]
fn killed_while_the_store_is_made_it_starts_again() {
    let mut dice = Rng::with_seed(setting("TORTURE_SEED", 1));
    for kill in 0..setting("TORTURE_KILLS", 20) {
        let directory = tempfile::tempdir().expect("a directory");
        for _ in 0..3 {
            kill_a_verifier(directory.path(), &mut dice);
        }
        Known::default().check(directory.path(), &format!("kill {kill}"));
    }
}

#[test]
fn left_alone_it_says_everything_it_stored() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for seed in [1, 1, 2] {
        let mut command = torture("write", directory.path());
        let (mut child, lines) =
            start(command.args(["--commands", "50", "--seed", &seed.to_string()]));
        for line in lines {
            known.hear(&line);
        }
        assert!(child.wait().expect("it has ended").success());
    }
    assert_eq!(known.acknowledged.len(), 150);
    known.check(directory.path(), "after three runs");
}
