//! Events per second from the first one to the end of a log that nobody writes to.

use std::time::{Duration, Instant};

use actuarius::{Hosting, Position, ProjectionHandle, Runtime};

use super::views;
use crate::Result;
use crate::machine::{Usage, quiet};
use crate::options::Options;
use crate::row::{Row, median};
use crate::subject::Subject;

/// Longer than any catching up should take.
const AT_MOST: Duration = Duration::from_secs(3_600);

pub(super) async fn catch_up(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let aggregates = options.or(options.aggregates, 10_000, 1_000);
    let hosting = Hosting::default().never_passivate().without_snapshots();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(aggregates, events, options.payload_bytes).await?;
    let mut rounds = Rounds::new("projection-catch-up", options);
    for round in 0..options.rounds() {
        quiet().await;
        let started = Instant::now();
        let view = views::in_memory(&subject.runtime, &format!("memory-{round}")).await?;
        rounds.finish(&view, events, started).await?;
        let notes = view.read(views::Sums::notes);
        if notes != events {
            return Err(format!("{notes} of {events} events are in the view").into());
        }
    }
    let rows = vec![rounds.row(options, scratch.path(), aggregates)];
    subject.close().await?;
    Ok(rows)
}

/// The rounds of one kind of view.
struct Rounds {
    scenario: &'static str,
    usage: Usage,
    rates: Vec<f64>,
}

impl Rounds {
    fn new(scenario: &'static str, _options: &Options) -> Self {
        Self { scenario, usage: Usage::now(), rates: Vec::new() }
    }

    /// Waits until the view shows everything, and stops it.
    async fn finish(
        &mut self,
        view: &ProjectionHandle,
        events: u64,
        started: Instant,
    ) -> Result<()> {
        view.wait_for_within(Position::new(events), AT_MOST).await?;
        self.rates.push(events as f64 / started.elapsed().as_secs_f64());
        view.stop().await;
        Ok(())
    }

    fn row(self, options: &Options, directory: &std::path::Path, aggregates: usize) -> Row {
        let mut row = Row::new(self.scenario, options, directory);
        (row.workload.clients, row.workload.aggregates) = (0, aggregates);
        row.workload.rounds = self.rates.len();
        row.foreign_cores = Some(self.usage.since().1);
        let rate = median(&self.rates).unwrap_or_default();
        row.events_per_second = Some(rate);
        row.with_figure(rate, "events/s")
    }
}
