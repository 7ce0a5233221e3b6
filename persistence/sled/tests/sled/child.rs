//! Runs one test of this binary in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Prepares a process that runs only the test `name` of `module`, which is the caller's
/// `module_path!()`.
pub(crate) fn running(module: &str, name: &str) -> Command {
    let (_, module) = module.split_once("::").expect("a module of this binary");
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args(["--exact", "--nocapture"]).arg(format!("{module}::{name}"));
    child
}

/// Lets the process open at most `descriptors` files at once.
#[cfg(unix)]
pub(crate) fn with_descriptors(child: &Command, descriptors: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\""));
    limited.arg(child.get_program()).args(child.get_args());
    limited
}

/// Runs the process to its end. Its test must exist and pass.
pub(crate) fn must_pass(mut child: Command) {
    let output = child.output().expect("the process runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs the process until it has printed `acknowledgements` lines with "acknowledged" and a number, and
/// kills it. Returns the last number that it printed.
pub(crate) fn kill_after(mut child: Command, acknowledgements: usize) -> u64 {
    let mut child = child.stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut numbers = lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("acknowledged ").and_then(|(_, number)| number.parse().ok())
    });
    let reached = numbers.by_ref().take(acknowledgements).last().expect("acknowledgements");
    child.kill().expect("killed");
    let last = numbers.last().unwrap_or(reached);
    child.wait().expect("exited");
    last
}
