//! The program: its sheet closes, even after it was killed and continued. The number of orders paid
//! in time depends on the machine, but the sums do not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn orders(directory: &Path, orders: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.arg("--data").arg(directory).args(["--orders", &orders.to_string()]);
    command.args(["--pay-within", "300"]);
    command
}

/// Returns the output of a successful run.
fn printed(directory: &Path, ordered: u64) -> String {
    let output = orders(directory, ordered).output().unwrap();
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
fn every_order_ends_and_a_second_run_fulfils_none_twice() {
    let home = tempfile::tempdir().unwrap();
    let first = printed(home.path(), 200);
    assert!(first.contains("ordered        200, 0 were there already"), "{first}");
    assert_eq!(number(&first, "fulfilled") + number(&first, "refused"), 200);
    // Some customers never pay, and some live on the moon.
    assert!(number(&first, "refused") > 0, "{first}");
    let second = printed(home.path(), 200);
    assert!(second.contains("ordered        0, 200 were there already"), "{second}");
    let sheet = |report: &str| report.split("Balance sheet").nth(1).map(str::to_owned);
    assert_eq!(sheet(&first), sheet(&second));
}

#[test]
fn a_killed_run_is_finished_by_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    for last_words in ["is open", " 20 %", " 60 %"] {
        let mut running = orders(home.path(), 300).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(last_words)), "{last_words}");
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let report = printed(home.path(), 300);
    assert_eq!(number(&report, "ordered"), 300);
    assert!(report.ends_with("The sheet closes.\n"), "{report}");
}
