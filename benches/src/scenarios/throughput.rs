//! The scenarios `throughput`, `spread`, `hot` and `cold-storm`: commands per second, beside the plain log.

use std::path::Path;
use std::time::Instant;

use actuarius::{Hosting, Runtime};

use crate::Result;
use crate::distribution::Distribution;
use crate::machine::bytes_below;
use crate::options::{Options, Scenario};
use crate::plain_log::PlainLog;
use crate::rounds::{alternate, load};
use crate::row::Row;
use crate::subject::Subject;

/// Measures 1,024 clients over 10,000 aggregates by default.
pub(super) async fn spread(scenario: Scenario, options: &Options) -> Result<Vec<Row>> {
    spread_as(scenario.name(), options).await
}

/// Measures the same, in a row of another name.
pub(super) async fn spread_as(name: &str, options: &Options) -> Result<Vec<Row>> {
    side_by_side(name, options, options.hosting(), Before::Nothing).await
}

/// Measures all clients at one aggregate.
pub(super) async fn hot(options: &Options) -> Result<Vec<Row>> {
    let options =
        Options { aggregates: Some(1), distribution: Some(Distribution::Hot), ..options.clone() };
    side_by_side("hot", &options, options.hosting(), Before::Nothing).await
}

/// Measures far more aggregates than may be active, so that nearly every command activates one and passivates another.
pub(super) async fn cold_storm(options: &Options) -> Result<Vec<Row>> {
    let aggregates = options.or(options.aggregates, 100_000, 2_000);
    let limit = options.resident_limit.unwrap_or(aggregates / 10);
    let options = Options { aggregates: Some(aggregates), ..options.clone() };
    let hosting = options.hosting().resident_limit(limit);
    let rows = side_by_side("cold-storm", &options, hosting, Before::EachExists).await?;
    Ok(rows.into_iter().map(|row| row.with_detail("resident_limit", limit as f64)).collect())
}

/// The preparation before the measurement.
enum Before {
    Nothing,
    /// Each aggregate has executed a command.
    EachExists,
}

/// Measures the runtime and the plain log in turns, on one disk and with the same clients.
async fn side_by_side(
    name: &str,
    options: &Options,
    hosting: Hosting,
    before: Before,
) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new(name, options, scratch.path());
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    if let Before::EachExists = before {
        let aggregates = row.workload.aggregates;
        subject.fill(aggregates, aggregates as u64, options.payload_bytes).await?;
    }
    let plain = PlainLog::create(&scratch.path().join("plain.log"))?;
    let load = load(&row, options);
    let (ours, theirs) = alternate(&subject, &plain, &load, options.rounds()).await?;
    let row = with_disk(row.with_sides(&ours, &theirs), subject, &store).await?;
    let figure = row.commands_per_second.unwrap_or_default();
    Ok(vec![row.with_figure(figure, "commands/s")])
}

/// Closes the store and adds its size on disk.
pub(super) async fn with_disk(mut row: Row, subject: Subject, store: &Path) -> Result<Row> {
    let events = subject.runtime.head().get();
    row.workload.store = subject.runtime.reader()?.info()?.engine.to_owned();
    let started = Instant::now();
    subject.close().await?;
    let closing = started.elapsed().as_secs_f64();
    if events > 0 && store.exists() {
        row.disk_bytes_per_event = Some(bytes_below(store)? as f64 / events as f64);
    }
    Ok(row.with_detail("events_stored", events as f64).with_detail("closing_seconds", closing))
}
