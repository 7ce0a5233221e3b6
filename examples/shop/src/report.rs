//! The report of the job, section by section.

mod numbers;
mod past;
mod views;

use std::fmt::{Display, Write as _};
use std::path::Path;

use actuarius::store::StoreInfo;
use shop::{History, Lags, Replayed, Sums, Totals};

pub(crate) use numbers::grouped;
use numbers::{dollars, micros, seconds};
pub(crate) use past::{best_on, by_day_begins, by_day_ended, since, steps};
pub(crate) use views::{best, months, tables, tiers, views};

pub(crate) const HEADLINE: &str = "\
A record shop on Actuarius
==========================
Each customer is an aggregate that lives in memory. Each purchase is a command to it, answered once
its event is safe on disk.";

pub(crate) fn input(path: &Path, history: &History) -> String {
    let totals = &history.totals;
    let mut text = section("Input");
    line(&mut text, "file", path.display());
    line(&mut text, "purchases", grouped(totals.bought.purchases));
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
    let latency = |per_mille| micros(latencies.per_mille(per_mille));
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
            latency(500),
            latency(990),
            latency(999),
            micros(latencies.max())
        ),
    );
    ended(text)
}

pub(crate) fn on_disk(directory: &Path, info: &StoreInfo, lags: &Lags) -> String {
    let mut text = section("On disk, with a snapshot of every customer");
    line(&mut text, "store", format_args!("{}, in {}", info.engine, directory.display()));
    line(&mut text, "events", grouped(info.events));
    let each = info.disk_bytes / info.events.max(1);
    line(
        &mut text,
        "bytes",
        format_args!("{}, {} per event", grouped(info.disk_bytes), grouped(each)),
    );
    let Lags { months, spend, report } = lags;
    line(
        &mut text,
        "views",
        format_args!("reopened with {months}, {spend} and {report} events to replay"),
    );
    ended(text)
}

/// Sums that must agree: their source, the number of customers if it is known, and the sums.
pub(crate) struct Row(pub(crate) &'static str, pub(crate) Option<u64>, pub(crate) Sums);

impl Row {
    pub(crate) fn of(name: &'static str, totals: &Totals) -> Self {
        Self(name, Some(totals.customers), totals.bought)
    }
}

pub(crate) fn proof(rows: &[Row]) -> String {
    let mut text = section("Proof");
    let _ = writeln!(
        text,
        "  The shop was closed and opened again; every customer and every view was asked again.\n"
    );
    let _ = writeln!(
        text,
        "  {:<26} {:>9} {:>10} {:>9} {:>14}",
        "sums over the", "customers", "purchases", "CDs", "dollars"
    );
    for Row(name, customers, sums) in rows {
        let _ = writeln!(
            text,
            "  {name:<26} {:>9} {:>10} {:>9} {:>14}",
            customers.map_or("-".to_owned(), grouped),
            grouped(sums.purchases),
            grouped(sums.cds),
            dollars(sums.spent)
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

/// Removes the last line break, which printing adds again.
fn ended(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    text
}
