//! Runs the program several times: its counter survives.

use std::process::Command;

#[test]
fn every_run_adds_one_visit() {
    let directory = tempfile::tempdir().unwrap();
    for visits in ["visits: 1\n", "visits: 2\n", "visits: 3\n"] {
        let hello = Command::new(env!("CARGO_BIN_EXE_hello")).arg(directory.path()).output();
        assert_eq!(String::from_utf8(hello.unwrap().stdout).unwrap(), visits);
    }
}
