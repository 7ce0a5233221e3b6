//! Events per second of a view that catches up with a log without writers.

use std::time::{Duration, Instant};

use actuarius::projection::ProjectionHandle;
use actuarius::{Position, Runtime};

use super::views;
use crate::Result;
use crate::machine::{Usage, quiet};
use crate::options::Options;
use crate::row::{Row, median};
use crate::subject::Subject;
use crate::workload::Journal;

/// The time limit for catching up.
const LIMIT: Duration = Duration::from_secs(3_600);

pub(super) async fn catch_up(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let aggregates = options.or(options.aggregates, 10_000, 1_000);
    let hosting = options.hosting().never_passivate().without_snapshots();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(aggregates, events, options.payload_bytes).await?;
    let runtime = &subject.runtime;
    let mut kinds = [
        Rounds::new("projection-catch-up"),
        Rounds::new("projection-catch-up-keyed"),
        Rounds::new("projection-catch-up-sqlite"),
    ];
    for round in 0..options.rounds() {
        let [memory, keyed, sqlite] = &mut kinds;
        let started = pause().await;
        let view = views::in_memory(runtime, &format!("memory-{round}")).await?;
        memory.finish(&view, events, started).await?;
        check_count(view.read(views::Sums::notes), events)?;
        let started = pause().await;
        let view = runtime.keyed::<views::SumsOnDisk>(format!("keyed-{round}")).on::<Journal>();
        let view = view.start().await?;
        keyed.finish(&view, events, started).await?;
        let rows = view.rows().limit(aggregates).list()?;
        check_count(rows.iter().map(|(_, sum)| sum.notes).sum(), events)?;
        let file = scratch.path().join(format!("view-{round}.sqlite"));
        let started = pause().await;
        let database = views::SumsInSqlite::create(&file)?;
        let view = runtime.database(format!("sqlite-{round}"), database).on::<Journal>();
        let view = view.batch_events(10_000).start().await?;
        sqlite.finish(&view, events, started).await?;
    }
    let rows =
        kinds.into_iter().map(|kind| kind.row(options, scratch.path(), aggregates)).collect();
    subject.close().await?;
    Ok(rows)
}

async fn pause() -> Instant {
    quiet().await;
    Instant::now()
}

fn check_count(notes: u64, events: u64) -> Result<()> {
    if notes == events {
        Ok(())
    } else {
        Err(format!("{notes} of {events} are in the view").into())
    }
}

/// The rounds of one kind of view.
struct Rounds {
    scenario: &'static str,
    usage: Usage,
    rates: Vec<f64>,
}

impl Rounds {
    fn new(scenario: &'static str) -> Self {
        Self { scenario, usage: Usage::now(), rates: Vec::new() }
    }

    /// Waits until the view has caught up, and stops it.
    async fn finish(
        &mut self,
        view: &ProjectionHandle,
        events: u64,
        started: Instant,
    ) -> Result<()> {
        view.wait_for_within(Position::new(events), LIMIT).await?;
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
