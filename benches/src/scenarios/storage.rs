//! The scenarios `open`, `disk` and `verify`: time to open, size on disk, and rate of verification.

use std::path::Path;
use std::time::Instant;

use actuarius::Runtime;
use actuarius::store::verify::Verify;

use super::throughput::with_disk;
use crate::Result;
use crate::options::Options;
use crate::row::{Row, median};
use crate::subject::{StoreKind, Subject};

/// Opens a store, first with a fifth of the events and then with all of them. The time must not grow.
pub(super) async fn open(options: &Options) -> Result<Vec<Row>> {
    if options.store == StoreKind::Memory {
        return Err("a store in memory cannot be opened again".into());
    }
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let mut rows = Vec::new();
    for more in [events / 5, events - events / 5] {
        let row = filled(Row::new("open", options, scratch.path()), options, &store, more).await?;
        rows.push(opened(row, options, &store).await?);
    }
    Ok(rows)
}

/// Fills a store and closes it.
pub(super) async fn disk(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let row = Row::new("disk", options, scratch.path());
    let row = filled(row, options, &store, events).await?;
    let bytes = row.disk_bytes_per_event.unwrap_or_default();
    Ok(vec![row.with_figure(bytes, "bytes/event")])
}

/// Fills a store and verifies it while it is open.
pub(super) async fn verify(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let row = Row::new("verify", options, scratch.path());
    let mut row = filled(row, options, &store, events).await?;
    let runtime = Runtime::open(&store).await?;
    let (reader, mut rates) = (runtime.reader()?, Vec::new());
    for _ in 0..options.rounds() {
        let reader = reader.clone();
        let started = Instant::now();
        let verified = tokio::task::spawn_blocking(move || {
            reader.maintenance().verify(&mut Verify::default())
        });
        let verified = verified.await??;
        if !verified.is_whole() || verified.events != events {
            return Err(format!("{} of {events} events are whole", verified.events).into());
        }
        rates.push(events as f64 / started.elapsed().as_secs_f64());
    }
    row.workload.rounds = rates.len();
    Ok(vec![row.with_figure(median(&rates).unwrap_or_default(), "events/s")])
}

/// Adds events, spread over the aggregates in turn, and closes the store.
async fn filled(row: Row, options: &Options, store: &Path, events: u64) -> Result<Row> {
    let builder = Runtime::builder();
    let subject = Subject::open(options.store, store, builder, options.hosting()).await?;
    subject.fill(row.workload.aggregates, events, options.payload_bytes).await?;
    with_disk(row, subject, store).await
}

/// Opens the store several times, each time until the first query of an aggregate is answered.
async fn opened(mut row: Row, options: &Options, store: &Path) -> Result<Row> {
    let (mut opening, mut answering) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let started = Instant::now();
        let builder = Runtime::builder();
        let subject = Subject::open(options.store, store, builder, options.hosting()).await?;
        opening.push(started.elapsed().as_secs_f64() * 1e3);
        subject.query_all(1).await?;
        answering.push(started.elapsed().as_secs_f64() * 1e3);
        subject.close().await?;
    }
    row.workload.rounds = opening.len();
    row = row.with_detail("first_answer_ms", median(&answering).unwrap_or_default());
    Ok(row.with_figure(median(&opening).unwrap_or_default(), "ms to open"))
}
