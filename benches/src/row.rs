//! One row of results: figures, their workload, and the machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::clients::Seen;
use crate::distribution::Distribution;
use crate::machine::Machine;
use crate::options::{Encoding, Options};
use crate::subject::StoreKind;

/// One row of results. A figure that the scenario does not measure is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// The main figure of the scenario.
    pub figure: Option<f64>,
    /// The meaning and unit of that figure.
    pub figure_is: String,
    /// Commands answered per second, the median of the rounds.
    pub commands_per_second: Option<f64>,
    /// Events projected into a view per second, the median of the rounds.
    pub events_per_second: Option<f64>,
    /// Saga instances completed per second, the median of the rounds.
    pub transfers_per_second: Option<f64>,
    /// The median latency.
    pub p50_us: Option<f64>,
    /// The 99th percentile of the latency.
    pub p99_us: Option<f64>,
    /// The 99.9th percentile of the latency.
    pub p999_us: Option<f64>,
    /// Events made durable together, on average.
    pub events_per_sync: Option<f64>,
    /// Groups made durable.
    pub syncs: Option<u64>,
    /// Memory of the whole process at the end.
    pub rss_bytes: Option<u64>,
    /// Bytes of all the store's files per event, after closing.
    pub disk_bytes_per_event: Option<f64>,
    /// Records per second of the plain log with the same clients, the median of the rounds.
    pub baseline_commands_per_second: Option<f64>,
    /// The median latency of the plain log.
    pub baseline_p50_us: Option<f64>,
    /// The 99th percentile of the plain log's latency.
    pub baseline_p99_us: Option<f64>,
    /// Records the plain log made durable together, on average.
    pub baseline_events_per_sync: Option<f64>,
    /// The runtime's rate per that of the plain log: the median of the rounds' ratios.
    pub ratio: Option<f64>,
    /// Processors that other programs kept busy. Above 0.3, measure again.
    pub foreign_cores: Option<f64>,
    /// The workload.
    #[serde(flatten)]
    pub workload: Workload,
    /// The machine.
    #[serde(flatten)]
    pub machine: Machine,
    /// Further figures of this scenario.
    #[serde(default)]
    pub details: BTreeMap<String, f64>,
}

/// The workload of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// The name of the store's engine.
    pub store: String,
    /// The guarantee of an answer.
    pub durability: String,
    /// Clients with one command in flight each.
    pub clients: usize,
    /// Aggregates to which commands were sent.
    pub aggregates: usize,
    /// The distribution of commands over them.
    pub distribution: Distribution,
    /// Bytes of each payload.
    pub payload_bytes: usize,
    /// The encoding of the events.
    #[serde(default)]
    pub codec: Encoding,
    /// Whether events are read back before they are stored.
    #[serde(default)]
    pub read_back: bool,
    /// Seconds measured, over all rounds.
    pub seconds: f64,
    /// The number of rounds.
    pub rounds: usize,
}

impl Row {
    /// An empty row for a scenario on the disk of `directory`.
    #[must_use]
    pub fn new(scenario: &str, options: &Options, directory: &Path) -> Self {
        let workload = Workload {
            store: store_name(options.store).to_owned(),
            durability: options.store.durability().to_owned(),
            clients: options.clients.unwrap_or(1_024),
            aggregates: options.aggregates.unwrap_or(10_000),
            distribution: options.distribution.unwrap_or_default(),
            payload_bytes: options.payload_bytes,
            codec: options.codec,
            read_back: !options.trust_codec,
            ..Workload::default()
        };
        let machine = Machine::with_disk_of(directory);
        Self { scenario: scenario.to_owned(), workload, machine, ..Self::default() }
    }

    /// Sets the main figure.
    #[must_use]
    pub fn with_figure(mut self, figure: f64, is: &str) -> Self {
        self.figure = Some(figure);
        self.figure_is = is.to_owned();
        self
    }

    /// Adds another figure.
    #[must_use]
    pub fn with_detail(mut self, name: &str, figure: f64) -> Self {
        self.details.insert(name.to_owned(), figure);
        self
    }

    /// Sets the results of the clients over all rounds.
    #[must_use]
    pub fn with_seen(mut self, seen: &Seen) -> Self {
        self.commands_per_second = Some(seen.rate());
        self.p50_us = Some(seen.done.us(0.5));
        self.p99_us = Some(seen.done.us(0.99));
        self.p999_us = Some(seen.done.us(0.999));
        self.syncs = Some(seen.syncs);
        self.events_per_sync = per_sync(seen);
        self.workload.seconds = seen.elapsed.as_secs_f64();
        self
    }
}

/// The engine of a kind of store.
#[must_use]
pub fn store_name(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Sled => "sled",
        StoreKind::Memory => "memory",
    }
}

/// Executed commands per durable group.
#[must_use]
pub fn per_sync(seen: &Seen) -> Option<f64> {
    (seen.syncs > 0).then(|| seen.done.count() as f64 / seen.syncs as f64)
}

/// The median, which is the mean of the two middle figures if their number is even.
#[must_use]
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(sorted[middle - 1].midpoint(sorted[middle])),
    }
}

/// The median of the ratios of figures taken in pairs. Drift affects both figures of a pair equally.
#[must_use]
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// Writes rows as a JSON list.
///
/// # Errors
/// The error of the operating system.
pub fn write_json<T: Serialize>(rows: &[T], path: &Path) -> Result<()> {
    Ok(std::fs::write(path, serde_json::to_string_pretty(rows)? + "\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        // The machine was half as fast in the second round, which does not change the ratio.
        assert_eq!(ratio(&[40.0, 20.0, 42.0], &[100.0, 50.0, 100.0]), Some(0.4));
    }

    #[test]
    fn the_json_has_every_promised_field() {
        let row = Row { scenario: "spread".to_owned(), ..Row::default() }.with_detail("more", 1.0);
        let json = serde_json::to_value(&row).unwrap();
        for field in [
            "scenario",
            "commands_per_second",
            "events_per_second",
            "transfers_per_second",
            "p50_us",
            "p99_us",
            "p999_us",
            "events_per_sync",
            "syncs",
            "rss_bytes",
            "disk_bytes_per_event",
            "baseline_commands_per_second",
            "ratio",
            "store",
            "clients",
            "aggregates",
            "distribution",
            "payload_bytes",
            "codec",
            "read_back",
            "seconds",
            "durability",
            "cores",
            "disk",
            "cpu",
        ] {
            assert!(json.get(field).is_some(), "{field}");
        }
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row);
    }
}
