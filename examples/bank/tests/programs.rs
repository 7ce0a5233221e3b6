//! Runs the programs, twice on the same directory, and counts the lines of the small one.

use std::process::Command;

#[test]
fn the_small_bank_has_85_lines_or_fewer() {
    let lines = include_str!("../src/small.rs").lines();
    let lines = lines.filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 85, "{lines} lines");
}

#[test]
fn the_small_bank_remembers_its_balance() {
    let directory = tempfile::tempdir().unwrap();
    let run = || output(env!("CARGO_BIN_EXE_small-bank"), directory.path());
    assert!(run().starts_with("alice has 499 cents; rejected: 500 cents are more than"));
    assert!(run().starts_with("alice has 998 cents"));
}

#[test]
fn the_bank_program_succeeds_on_every_run() {
    let directory = tempfile::tempdir().unwrap();
    for account in ["account-1", "account-2"] {
        let story = output(env!("CARGO_BIN_EXE_bank"), directory.path());
        assert!(story.contains(&format!("The account is called {account}.")), "{story}");
        assert!(story.contains("second attempt: was already paid"), "{story}");
        assert!(story.contains("deposit 40.00: the list says 140.00"), "{story}");
        assert!(story.contains("\n    5  withdraw   20.50     100.00\n    6  deposit"), "{story}");
        let alert = format!("alert: 100.00 was withdrawn from {account}\n");
        assert_eq!(story.matches("alert: ").count(), 1, "{story}");
        assert!(story.contains(&alert), "{story}");
        assert!(story.contains("The balance is still 100.00."), "{story}");
        assert!(story.ends_with("deposit 0.01: refused, the account is closed\n"), "{story}");
    }
}

#[test]
fn the_admin_program_shows_accounts_with_the_banks_types() {
    let directory = tempfile::tempdir().unwrap();
    output(env!("CARGO_BIN_EXE_bank"), directory.path());
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bank-admin"));
        let output = command.arg("--store").arg(directory.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Events are stored with bincode, which only the bank's own types can read.
    let state = r#""state":{"status":"Open","balance":10000}"#;
    let history = admin(&["history", "account/account-1", "--json"]);
    assert!(history.contains(r#""event":"Withdrawn""#), "{history}");
    assert!(history.contains(state), "{history}");
    let now = admin(&["show", "account/account-1", "--json"]);
    assert!(now.contains(r#""state":{"status":"Closed","balance":0}"#), "{now}");
    let verified = admin(&["verify", "--full", "--json"]);
    assert!(verified.contains(r#""whole":true"#), "{verified}");
}

fn output(program: &str, directory: &std::path::Path) -> String {
    let output = Command::new(program).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
