use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use actuarius::persistence::StoreInfo;
use shop::{Cents, History, Replayed, Spender, Totals};

pub(crate) const HEADLINE: &str = "\
A record shop on Actuarius
==========================
Each customer is an aggregate that lives in memory. Each purchase is a command to it, answered once
its event is safe on disk.";

/// Prints. A reader who has closed the pipe does not stop the job.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn input(path: &Path, history: &History) -> String {
    let totals = &history.totals;
    let mut text = section("Input");
    line(&mut text, "file", path.display());
    line(&mut text, "purchases", grouped(totals.purchases));
    line(&mut text, "customers", grouped(totals.customers));
    if let Some((first, last)) = history.days {
        line(&mut text, "days", format_args!("{first} to {last}"));
    }
    ended(text)
}

pub(crate) fn replay_begins(clients: usize, directory: &Path) -> String {
    let mut text = section("Replay");
    line(&mut text, "clients", grouped(clients as u64));
    line(&mut text, "store", directory.display());
    ended(text)
}

pub(crate) fn replayed(replayed: &Replayed) -> String {
    let Replayed { written, there_already, took, latencies } = replayed;
    let quantile = |quantile| micros(latencies.value_at_quantile(quantile));
    let mut text = String::new();
    let (written, there) = (grouped(*written), grouped(*there_already));
    line(
        &mut text,
        "outcome",
        format_args!("{there} purchases were there already, {written} written"),
    );
    line(&mut text, "time", format_args!("{} s", seconds(*took)));
    line(&mut text, "speed", format_args!("{} commands/s", grouped(replayed.per_second())));
    line(
        &mut text,
        "latency",
        format_args!(
            "p50 {}, p99 {}, p99.9 {}, max {}",
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            micros(latencies.max())
        ),
    );
    ended(text)
}

pub(crate) fn best(spenders: &[Spender]) -> String {
    let mut text = section("Best customers");
    let _ = writeln!(text, "      customer   purchases     CDs       dollars");
    for (rank, Spender { id, bought }) in spenders.iter().enumerate() {
        let (purchases, cds) = (grouped(bought.purchases), grouped(bought.cds));
        let spent = dollars(bought.spent);
        let _ =
            writeln!(text, "  {:>2}  {id:<8}   {purchases:>9}   {cds:>5}   {spent:>11}", rank + 1);
    }
    ended(text)
}

pub(crate) fn on_disk(directory: &Path, info: &StoreInfo) -> String {
    let mut text = section("On disk, with a snapshot of every customer");
    line(&mut text, "store", format_args!("{}, in {}", info.engine, directory.display()));
    line(&mut text, "events", grouped(info.events));
    let each = info.disk_bytes / info.events.max(1);
    line(
        &mut text,
        "bytes",
        format_args!("{}, {} per event", grouped(info.disk_bytes), grouped(each)),
    );
    ended(text)
}

pub(crate) fn proof(rows: &[(&str, &Totals)]) -> String {
    let mut text = section("Proof");
    let _ = writeln!(
        text,
        "  The shop was closed and opened again, and every customer was asked again.\n"
    );
    let _ = writeln!(
        text,
        "  {:<26} {:>9} {:>10} {:>9} {:>14}",
        "sums over the", "customers", "purchases", "CDs", "dollars"
    );
    for (name, totals) in rows {
        let _ = writeln!(
            text,
            "  {name:<26} {:>9} {:>10} {:>9} {:>14}",
            grouped(totals.customers),
            grouped(totals.purchases),
            grouped(totals.cds),
            dollars(totals.spent)
        );
    }
    text
}

fn section(name: &str) -> String {
    format!("\n{name}\n{}\n", "-".repeat(name.len()))
}

fn line(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "  {name:<10} {value}");
}

/// Printing ends the line.
fn ended(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    text
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn dollars(amount: Cents) -> String {
    format!("{}.{:02}", grouped(amount.0 / 100), amount.0 % 100)
}

fn micros(micros: u64) -> String {
    format!("{}.{:02} ms", grouped(micros / 1_000), micros % 1_000 / 10)
}

fn seconds(time: Duration) -> String {
    format!("{}.{:02}", grouped(time.as_secs()), time.subsec_millis() / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_their_thousands_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(dollars(Cents(250_031_563)), "2,500,315.63");
        assert_eq!(micros(12_345), "12.34 ms");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.25");
    }
}
