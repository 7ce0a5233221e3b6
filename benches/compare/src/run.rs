//! Runs one candidate in this process, or all candidates in separate processes.

use std::fmt::Write;
use std::time::Duration;

use actuarius::Runtime;
use actuarius_bench::Result;
use actuarius_bench::children::{measure, own_arguments};
use actuarius_bench::clients::{Extent, Seen};
use actuarius_bench::machine::Machine;
use actuarius_bench::row::{median, write_json};
use actuarius_bench::table::{grid, number};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::bank::{self, BankLoad};
use crate::ours::Ours;
use crate::peer::Peer;
use crate::{Options, Which};

/// The results of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    candidate: String,
    promise: String,
    commands_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    acknowledged_and_lost: u64,
}

impl Which {
    fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Durable => (
                "Actuarius on sled",
                "durable before the answer (fdatasync); versions checked; state kept in memory",
            ),
            Self::Memory => {
                ("Actuarius in memory", "not durable; versions checked; state kept in memory")
            }
            Self::CqrsEs => (
                "cqrs-es 0.5, mem store",
                "not durable; no version check; loads all events for each command, prints two \
                 lines for each (to /dev/null here)",
            ),
            Self::CqrsEsSqlite => (
                "cqrs-es 0.5, SQLite",
                "durable before the answer (WAL, synchronous = FULL); versions checked; loads all events for each \
                 command; conflicts are tried again",
            ),
        }
    }

    fn argument(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures one candidate and writes its line to the file named by `--json`.
pub(crate) async fn one(which: Which, options: &Options) -> Result<()> {
    let (seen, lost) = measured(which, options).await?;
    let line = Line {
        candidate: which.named().0.to_owned(),
        promise: which.named().1.to_owned(),
        commands_per_second: seen.rate(),
        p50_us: seen.done.us(0.5),
        p99_us: seen.done.us(0.99),
        p999_us: seen.done.us(0.999),
        acknowledged_and_lost: lost,
    };
    match &options.json {
        Some(path) => write_json(&[line], path),
        None => Ok(()),
    }
}

async fn measured(which: Which, options: &Options) -> Result<(Seen, u64)> {
    let extent = match options.commands {
        Some(commands) => Extent::Commands(commands),
        None => Extent::For(Duration::from_secs_f64(options.seconds.clamp(0.01, 86_400.0))),
    };
    let how = BankLoad {
        clients: options.clients,
        accounts: options.accounts.max(1),
        distribution: options.distribution,
        warm_up: Duration::from_secs_f64(options.warm_up.clamp(0.0, 86_400.0)),
        extent,
    };
    match which {
        Which::CqrsEs => bank::run(Peer::in_memory(), how).await,
        Which::Memory => bank::run(Ours::on(&Runtime::in_memory().await?), how).await,
        Which::CqrsEsSqlite => {
            let scratch = scratch(options)?;
            bank::run(Peer::in_sqlite(&scratch.path().join("events"))?, how).await
        }
        Which::Durable => {
            let scratch = scratch(options)?;
            let runtime = Runtime::open(scratch.path()).await?;
            let measured = bank::run(Ours::on(&runtime), how).await?;
            let _ = runtime.shutdown(Duration::from_secs(600)).await;
            Ok(measured)
        }
    }
}

fn scratch(options: &Options) -> Result<tempfile::TempDir> {
    std::fs::create_dir_all(&options.directory)?;
    Ok(tempfile::tempdir_in(&options.directory)?)
}

/// Measures all candidates in turns and prints the table.
pub(crate) fn all(options: &Options) -> Result<()> {
    let mut rounds = vec![Vec::new(); Which::value_variants().len()];
    for _ in 0..options.rounds.max(1) {
        for (which, lines) in Which::value_variants().iter().zip(&mut rounds) {
            let mut arguments = own_arguments();
            arguments.extend(["--only".to_owned(), which.argument()]);
            lines.extend(measure::<Vec<Line>>(&arguments)?);
        }
    }
    let lines: Vec<Line> = rounds.iter().filter_map(|lines| middle(lines)).collect();
    print!("{}", table(&lines, options));
    match &options.json {
        Some(path) => write_json(&lines, path),
        None => Ok(()),
    }
}

/// The medians of a candidate's rounds, and all that it lost.
fn middle(lines: &[Line]) -> Option<Line> {
    let first = lines.first()?;
    let of = |figure: fn(&Line) -> f64| {
        median(&lines.iter().map(figure).collect::<Vec<_>>()).unwrap_or_default()
    };
    Some(Line {
        commands_per_second: of(|line| line.commands_per_second),
        p50_us: of(|line| line.p50_us),
        p99_us: of(|line| line.p99_us),
        p999_us: of(|line| line.p999_us),
        acknowledged_and_lost: lines.iter().map(|line| line.acknowledged_and_lost).sum(),
        ..first.clone()
    })
}

fn table(lines: &[Line], options: &Options) -> String {
    let heads = ["", "commands/s", "p50 µs", "p99 µs", "p999 µs", "acknowledged, lost"];
    let cells = |line: &Line| {
        [
            line.candidate.clone(),
            number(line.commands_per_second),
            number(line.p50_us),
            number(line.p99_us),
            number(line.p999_us),
            line.acknowledged_and_lost.to_string(),
        ]
    };
    let cells: Vec<_> = lines.iter().map(cells).collect();
    let mut text = grid(&heads.map(str::to_owned), &cells) + "\n";
    for line in lines {
        let _ = writeln!(text, "{}: {}", line.candidate, line.promise);
    }
    let machine = Machine::with_disk_of(&options.directory);
    let spread = format!("{:?}", options.distribution).to_lowercase();
    let _ = writeln!(
        text,
        "\nA bank of {} accounts, {} clients, {spread}, one small event per command, medians of {} \
         rounds; {} cores, {}, {}",
        options.accounts, options.clients, options.rounds, machine.cores, machine.cpu, machine.disk
    );
    text
}

#[cfg(test)]
mod tests {
    use actuarius_bench::distribution::Distribution;
    use clap::Parser;

    use super::*;

    #[test]
    fn medians_are_taken_and_losses_added() {
        let line =
            |rate| Line { commands_per_second: rate, acknowledged_and_lost: 1, ..Line::default() };
        let line = middle(&[line(3.0), line(1.0), line(2.0)]).unwrap();
        assert_eq!((line.commands_per_second, line.acknowledged_and_lost), (2.0, 3));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_candidate_runs_the_bank_and_actuarius_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let small =
            ["compare", "--clients=8", "--accounts=5", "--commands=200", "--directory", path];
        let options = Options::parse_from(small);
        assert_eq!(options.distribution, Distribution::Uniform);
        for which in Which::value_variants() {
            let (seen, lost) = measured(*which, &options).await.unwrap();
            assert_eq!(seen.done.count(), 200, "{which:?}");
            assert!(lost == 0 || *which == Which::CqrsEs, "{which:?} lost {lost}");
        }
    }
}
