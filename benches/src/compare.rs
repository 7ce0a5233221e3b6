//! `--compare`: the figures beside those of an earlier run.

use std::fmt::Write;
use std::path::Path;

use crate::Result;
use crate::row::Row;
use crate::table::{grid, number};

const HEADS: [&str; 6] =
    ["compared", "figure", "before", "now / before", "plain log", "now / before, per plain log"];

/// Reads the rows that an earlier run wrote with `--json`.
///
/// # Errors
/// The file cannot be read, or has other content.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let rows = serde_json::from_str(&text);
    rows.map_err(|error| format!("{shown} has no rows of this bench: {error}").into())
}

/// Renders what each row is as a multiple of the same one before, also after both were divided by what the plain log
/// did in their runs: the machine may have been another, or busier.
#[must_use]
pub fn render(now: &[Row], before: &[Row]) -> String {
    let mut lines = Vec::new();
    let mut others = String::new();
    for row in now {
        match before.iter().find(|it| is_same(row, it)) {
            Some(before) => lines.push(cells(row, before)),
            None => {
                let _ =
                    writeln!(others, "{:<11} has no row with this workload before", row.scenario);
            }
        }
    }
    grid(&HEADS.map(str::to_owned), &lines) + &others
}

/// Whether two rows measured the same. Their lengths may differ.
fn is_same(one: &Row, other: &Row) -> bool {
    let workload = |row: &Row| {
        let it = &row.workload;
        let load = (it.clients, it.aggregates, it.distribution, it.payload_bytes);
        (it.store.clone(), it.durability.clone(), load, it.codec)
    };
    let named = |row: &Row| (row.scenario.clone(), row.figure_is.clone());
    named(one) == named(other) && workload(one) == workload(other)
}

fn cells(now: &Row, before: &Row) -> [String; 6] {
    let cell = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
    let ratio = |now: Option<f64>, before: Option<f64>| {
        now.zip(before).filter(|(_, before)| *before != 0.0).map(|(now, before)| now / before)
    };
    let figure = now.figure.map(|figure| format!("{} {}", number(figure), now.figure_is));
    let plain = (now.baseline_commands_per_second, before.baseline_commands_per_second);
    [
        now.scenario.clone(),
        figure.unwrap_or_else(|| "-".to_owned()),
        cell(before.figure),
        cell(ratio(now.figure, before.figure)),
        cell(ratio(plain.0, plain.1)),
        cell(ratio(now.ratio, before.ratio)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, clients: usize, figure: f64, ratio: f64) -> Row {
        let mut row = Row { scenario: scenario.to_owned(), ratio: Some(ratio), ..Row::default() };
        row.workload.clients = clients;
        row.with_figure(figure, "commands/s")
    }

    #[test]
    fn a_row_is_compared_with_the_one_of_the_same_workload() {
        let before = [row("spread", 8, 50.0, 0.1), row("spread", 64, 100.0, 0.2)];
        let text = render(&[row("spread", 64, 150.0, 0.22), row("hot", 64, 1.0, 1.0)], &before);
        let first = text.lines().nth(2).unwrap_or_default();
        let cells: Vec<&str> = first.split_whitespace().collect();
        assert_eq!(cells, ["spread", "150", "commands/s", "100", "1.50", "-", "1.10"]);
        assert!(text.contains("hot         has no row"), "{text}");
    }

    #[test]
    fn what_a_run_wrote_is_read_and_other_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("figures.json");
        let rows = [row("spread", 8, 50.0, 0.1)];
        crate::row::write_json(&rows, &path).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        std::fs::write(&path, "{}").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("no rows"));
    }
}
