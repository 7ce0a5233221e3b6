//! The program with many transfers: its sheet closes, even after it was killed and continued.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn transfers(directory: &Path, transfers: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transfers"));
    command.arg("--data").arg(directory).args(["--transfers", &transfers.to_string()]);
    command
}

/// Returns the output of a successful run.
fn printed(directory: &Path, ordered: u64) -> String {
    let output = transfers(directory, ordered).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a number of the balance sheet.
fn number(report: &str, name: &str) -> u64 {
    let sheet = report.split("Balance sheet").nth(1).expect("a balance sheet");
    let line = sheet.lines().find_map(|line| line.trim().strip_prefix(name));
    line.expect("a line of that name").trim().parse().expect("a number")
}

#[test]
fn every_transfer_ends_and_a_second_run_executes_none_twice() {
    let home = tempfile::tempdir().unwrap();
    let first = printed(home.path(), 300);
    assert!(first.contains("ordered        300, 0 were there already"), "{first}");
    assert_eq!(number(&first, "ordered"), 300);
    // In each run some transfers are executed, and some are undone or refused.
    for end in ["completed", "compensated", "failed"] {
        assert!(number(&first, end) > 0, "{first}");
    }
    let second = printed(home.path(), 300);
    assert!(second.contains("ordered        0, 300 were there already"), "{second}");
    let sheet = |report: &str| report.split("Balance sheet").nth(1).map(str::to_owned);
    assert_eq!(sheet(&first), sheet(&second));
}

#[test]
fn a_killed_run_is_finished_by_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    for last_words in ["is open", " 20 %", " 50 %"] {
        let mut running = transfers(home.path(), 400).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(last_words)), "{last_words}");
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let report = printed(home.path(), 400);
    assert_eq!(number(&report, "ordered"), 400);
    assert!(report.ends_with("The sheet closes.\n"), "{report}");
}
