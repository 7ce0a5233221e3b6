//! All scenarios, each in a process of its own: what one leaves in memory is not the next one's.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::options::Scenario;
use crate::row::{Row, read_json};

const IN_ORDER: [Scenario; 10] = [
    Scenario::Spread,
    Scenario::Hot,
    Scenario::OneClient,
    Scenario::Activation,
    Scenario::Replay,
    Scenario::ColdStorm,
    Scenario::Resident,
    Scenario::Open,
    Scenario::Disk,
    Scenario::Overload,
];

pub(super) fn all() -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let json = scratch.path().join("rows.json");
    let arguments = without_outputs(std::env::args().skip(1));
    let mut rows = Vec::new();
    for scenario in IN_ORDER {
        eprintln!("{} …", scenario.name());
        rows.extend(in_a_process(scenario, &arguments, &json)?);
    }
    Ok(rows)
}

fn in_a_process(scenario: Scenario, arguments: &[String], json: &Path) -> Result<Vec<Row>> {
    let mut command = Command::new(std::env::current_exe()?);
    for argument in arguments {
        let all = argument == Scenario::All.name();
        command.arg(if all { scenario.name() } else { argument.as_str() });
    }
    // The table comes once, at the end, for all.
    command.arg("--json").arg(json).stdout(std::process::Stdio::null());
    if command.status()?.success() {
        read_json(json)
    } else {
        Err(format!("`{}` failed", scenario.name()).into())
    }
}

/// The arguments without those that say where results go.
fn without_outputs(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut arguments = arguments;
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or_default();
        if !matches!(name, "--json" | "--report") {
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
    fn outputs_are_left_out() {
        let given = ["all", "--json", "a", "--quick", "--report=b", "--seconds", "2"];
        let kept = without_outputs(given.iter().map(|&text| text.to_owned()));
        assert_eq!(kept, ["all", "--quick", "--seconds", "2"]);
    }
}
