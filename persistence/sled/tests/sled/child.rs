//! Runs one test of this binary in a process of its own.

use std::process::Command;

/// Prepares a process that runs only the test `name` of `module`, which is the caller's
/// `module_path!()`.
pub(crate) fn running(module: &str, name: &str) -> Command {
    let (_, module) = module.split_once("::").expect("a module of this binary");
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args(["--exact", "--nocapture"]).arg(format!("{module}::{name}"));
    child
}

/// Runs the process to its end. Its test must exist and pass.
pub(crate) fn must_pass(mut child: Command) {
    let output = child.output().expect("the process runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
