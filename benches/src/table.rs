//! The results as a table for a terminal.

use std::fmt::Write;

use crate::row::Row;

const HEADS: [&str; 11] = [
    "scenario",
    "figure",
    "commands/s",
    "p50 µs",
    "p99 µs",
    "p999 µs",
    "events/sync",
    "disk B/event",
    "RSS MB",
    "plain log/s",
    "ratio",
];

/// Renders the rows as text, with the workload of each below.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let lines: Vec<[String; 11]> = rows.iter().map(cells).collect();
    let mut text = grid(&HEADS.map(str::to_owned), &lines);
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "{:<11} {}", row.scenario, footnote(row));
    }
    if let Some(row) = rows.first() {
        let machine = &row.machine;
        let _ = writeln!(
            text,
            "\n{} cores, {}, {}, Linux {}",
            machine.cores, machine.cpu, machine.disk, machine.kernel
        );
    }
    text
}

/// The workload and further figures of a row in one line.
#[must_use]
pub fn footnote(row: &Row) -> String {
    let work = &row.workload;
    let spread = format!("{:?}", work.distribution).to_lowercase();
    let mut text = format!(
        "{} store ({}), {} clients, {} aggregates, {spread}, {}-byte payload",
        work.store,
        work.durability,
        grouped(work.clients as f64),
        grouped(work.aggregates as f64),
        grouped(work.payload_bytes as f64),
    );
    if work.seconds > 0.0 {
        let _ = write!(text, ", {:.1} s in {} rounds", work.seconds, work.rounds.max(1));
    }
    for (name, figure) in &row.details {
        let _ = write!(text, ", {} {}", name.replace('_', " "), number(*figure));
    }
    if let Some(foreign) = row.foreign_cores.filter(|&foreign| foreign > 0.3) {
        let _ = write!(text, ", DISTURBED: others kept {foreign:.1} cores busy");
    }
    text
}

fn cells(row: &Row) -> [String; 11] {
    let cell = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
    let figure = match row.figure {
        Some(figure) => format!("{} {}", number(figure), row.figure_is),
        None => "-".to_owned(),
    };
    [
        row.scenario.clone(),
        figure,
        cell(row.commands_per_second),
        cell(row.p50_us),
        cell(row.p99_us),
        cell(row.p999_us),
        cell(row.events_per_sync),
        cell(row.disk_bytes_per_event),
        cell(row.rss_bytes.map(|bytes| bytes as f64 / 1e6)),
        cell(row.baseline_commands_per_second),
        cell(row.ratio),
    ]
}

/// Text cells in columns, the first left-aligned and the others right-aligned.
#[must_use]
pub fn grid<const N: usize>(heads: &[String; N], lines: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    let mut push = |line: &[String; N]| {
        for (column, cell) in line.iter().enumerate() {
            let room = widths[column];
            let _ = if column == 0 {
                write!(text, "{cell:<room$}")
            } else {
                write!(text, "  {cell:>room$}")
            };
        }
        text.push('\n');
    };
    push(heads);
    push(&std::array::from_fn(|column| "-".repeat(widths[column])));
    lines.iter().for_each(&mut push);
    text
}

/// A figure with its significant digits.
#[must_use]
pub fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => grouped(figure),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

fn grouped(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0.4, 12.34, 999.5, 1_234_567.0, -1_000.0].map(number),
            ["0.40", "12.3", "1,000", "1,234,567", "-1,000"]
        );
    }

    #[test]
    fn columns_are_aligned() {
        let heads = ["a".to_owned(), "µs".to_owned()];
        let text = grid(&heads, &[["row".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "a    µs\n---  --\nrow   1\n");
    }
}
