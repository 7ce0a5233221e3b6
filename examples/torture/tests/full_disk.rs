//! A full disk: the system refuses to let the engine's file grow. The writer reports it and acknowledges nothing more,
//! and with space again everything acknowledged is there and more can be written.

use std::path::Path;
use std::process::Command;

use crate::common::{Known, start, torture};

/// In units of `ulimit -f`, which have 512 or 1,024 bytes: above what a new store takes, below what is written.
const FILE_LIMIT: &str = "24000";

/// Runs `torture write` with a limit on the size of its files. A write beyond it fails like one on a full disk.
fn limited_writer(directory: &Path) -> Command {
    let mut command = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {FILE_LIMIT}; exec \"$@\"");
    command.args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_torture"), "write"]).arg(directory);
    command.args(["--payload-bytes", "100000", "--commands", "2000"]);
    command
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    let mut writer = limited_writer(directory.path());
    let (child, lines) = start(writer.stderr(std::process::Stdio::piped()));
    for line in lines {
        known.hear(&line);
    }
    let output = child.wait_with_output().expect("it has ended");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    // The system's name for it: a file is too large.
    let named = errors.contains("os error 27") || errors.contains("code: 27");
    assert!(errors.contains("the store failed") && named, "{errors}");
    assert!((1..2_000).contains(&known.acknowledged.len()), "{}", known.acknowledged.len());
    known.check(torture("verify", directory.path()), "after the disk was full");
    let mut more = torture("write", directory.path());
    let (mut child, lines) = start(more.args(["--commands", "20", "--seed", "7"]));
    for line in lines {
        known.hear(&line);
    }
    assert!(child.wait().expect("it has ended").success());
    known.check(torture("verify", directory.path()), "with space again");
}
