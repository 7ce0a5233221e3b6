//! Measurements in separate processes, so that none affects the memory of the next.

use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use crate::Result;

/// Runs this program with other arguments and reads the figures that it writes to `--json`. Discards its standard
/// output.
///
/// # Errors
/// The process failed, or wrote no figures of this kind.
pub fn measure<T: DeserializeOwned>(arguments: &[String]) -> Result<T> {
    let scratch = tempfile::tempdir()?;
    let json = scratch.path().join("figures.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg("--json").arg(&json).stdout(Stdio::null());
    if !command.status()?.success() {
        return Err(format!("`{}` failed", arguments.join(" ")).into());
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(json)?)?)
}

/// This program's arguments without those that name files of the whole run.
#[must_use]
pub fn own_arguments() -> Vec<String> {
    without_outputs(std::env::args().skip(1))
}

fn without_outputs(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if !matches!(name, "--json" | "--report" | "--compare") {
            kept.push(argument);
        } else if !argument.contains('=') {
            arguments.next();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_whole_run_are_left_out() {
        let given =
            ["all", "--json", "a", "--quick", "--report=b", "--compare", "c", "--seconds", "2"];
        let kept = without_outputs(given.iter().map(|&text| text.to_owned()));
        assert_eq!(kept, ["all", "--quick", "--seconds", "2"]);
    }
}
