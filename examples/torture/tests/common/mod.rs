//! Runs a process, reads its output and kills it; and the oracle that knows what its store must
//! contain.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A writer is killed after this many lines in any case. Work that has to catch up with writers at
/// full speed, such as a rebuild, may never reach the chosen moment.
const LINES_MAX: usize = 5_000;

/// The oracle: what must be in the store according to the output of its writers.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) tried: HashSet<String>,
    pub(crate) acknowledged: HashSet<String>,
}

impl Known {
    /// Returns whether the line acknowledges a command.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        match line.split_once(' ') {
            Some(("TRY", id)) => drop(self.tried.insert(id.to_owned())),
            Some(("ACK", id)) => return self.acknowledged.insert(id.to_owned()),
            Some(("AT" | "REBUILDING", _)) => {}
            _ => panic!("an unknown line: {line:?}"),
        }
        false
    }

    /// Runs a writer until it has printed `count` lines that begin with `word`, or [`LINES_MAX`] of
    /// any kind, then kills it. Returns the number of such lines.
    pub(crate) fn write(&mut self, mut writer: Command, (word, times): (&str, usize)) -> usize {
        let (mut child, lines) = start(&mut writer);
        let (mut said, mut is_killed) = (0, false);
        for (number, line) in (1..).zip(lines) {
            self.hear(&line);
            said += usize::from(line.starts_with(word));
            if !is_killed && (said == times || number == LINES_MAX) {
                // Lines that are already in the pipe were printed before the kill, so they count.
                child.kill().expect("the writer runs");
                is_killed = true;
            }
        }
        child.wait().expect("the writer has ended");
        assert!(is_killed, "the writer ended by itself");
        said
    }

    /// Runs `verifier`, and returns the rest of its output.
    pub(crate) fn check(&self, mut verifier: Command, when: &str) -> Vec<String> {
        let output = verifier.output().expect("the verifier runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{when}: {errors}");
        let (mut found, mut places) = (HashSet::new(), Vec::new());
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match line.split_once(' ') {
                Some(("FOUND", id)) => {
                    assert!(found.insert(id.to_owned()), "{when}: {id} is there twice");
                }
                Some(("AT", place)) => places.push(place.to_owned()),
                _ => panic!("{when}: {line}"),
            }
        }
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{when}: acknowledged and lost: {lost:?}");
        let phantoms: Vec<_> = found.difference(&self.tried).collect();
        assert!(phantoms.is_empty(), "{when}: never sent and yet there: {phantoms:?}");
        places
    }
}

pub(crate) fn torture(what: &str, directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torture"));
    command.arg(what).arg(directory);
    command
}

/// Reads whole lines only: a line cut short by the kill does not count.
pub(crate) fn start(command: &mut Command) -> (Child, impl Iterator<Item = String> + use<>) {
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

pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
