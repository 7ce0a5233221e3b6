//! `kill -9` at random moments under load, repeatedly on one directory. After each reopening every
//! acknowledged command is stored, none twice, and versions and positions have no gaps.
//!
//! Moments are counted in lines of output, not in time: a kill after the seventeenth
//! acknowledgement hits the work on the eighteenth. `TORTURE_KILLS=1000` runs longer,
//! `TORTURE_SEED=7` runs something else.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::common::{Known, setting, start, torture};

/// What one cycle writes, and with which settings.
struct Cycle {
    payload_bytes: usize,
    arguments: &'static [&'static str],
    /// The maximum number of acknowledgements before the kill.
    longest: usize,
}

impl Cycle {
    fn writer(&self, directory: &Path, seed: u64) -> Command {
        let mut command = torture("write", directory);
        command.args(["--commands", "1000000", "--seed", &seed.to_string()]);
        command.args(["--payload-bytes", &self.payload_bytes.to_string()]);
        command.args(self.arguments);
        command
    }
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

/// Starts a verification and kills it while it opens and recovers the store, while it reads, or
/// while it closes.
fn kill_a_verifier(directory: &Path, dice: &mut Rng) {
    let (mut child, lines) = start(&mut torture("verify", directory));
    if dice.bool() {
        // The verifier prints nothing while it opens the store, so the test counts its own turns
        // instead.
        for _ in 0..dice.u32(0..20_000) {
            std::thread::yield_now();
        }
    } else {
        drop(lines.take(dice.usize(1..200)).last());
    }
    child.kill().expect("killing what has ended is no error");
    child.wait().expect("the verifier has ended");
}

#[test]
fn a_writer_killed_at_any_moment_keeps_every_acknowledged_command() {
    let seed = setting("TORTURE_SEED", 1);
    let mut dice = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    for kill in 0..setting("TORTURE_KILLS", 20) {
        let cycle = &CYCLES[kill as usize % CYCLES.len()];
        let kill_after = dice.usize(1..=cycle.longest);
        known.write(cycle.writer(directory.path(), dice.u64(..)), ("ACK ", kill_after));
        if dice.bool() {
            kill_a_verifier(directory.path(), &mut dice);
        }
        known.check(torture("verify", directory.path()), &format!("seed {seed}, kill {kill}"));
    }
}

/// The first start is the most delicate one, because it creates the store.
#[test]
fn a_writer_killed_while_it_creates_the_store_can_start_again() {
    let mut dice = Rng::with_seed(setting("TORTURE_SEED", 1));
    for kill in 0..setting("TORTURE_KILLS", 20) {
        let directory = tempfile::tempdir().expect("a directory");
        for _ in 0..3 {
            kill_a_verifier(directory.path(), &mut dice);
        }
        Known::default().check(torture("verify", directory.path()), &format!("kill {kill}"));
    }
}

#[test]
fn an_undisturbed_writer_acknowledges_everything_it_stored() {
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
    known.check(torture("verify", directory.path()), "after three runs");
}
