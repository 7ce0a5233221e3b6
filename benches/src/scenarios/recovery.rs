//! The scenarios `activation` and `replay`: how fast aggregates are activated.

use std::time::Instant;

use actuarius::Runtime;

use super::throughput::with_disk;
use crate::Result;
use crate::machine::{Usage, quiet};
use crate::options::Options;
use crate::row::{Row, median};
use crate::subject::Subject;
use crate::workload::Name;

/// Activates many aggregates from their snapshots: first within one run, with warm caches of the store, then after the
/// store was closed and opened.
pub(super) async fn activation(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let aggregates = options.or(options.aggregates, 100_000, 2_000);
    let hosting = options.hosting().never_passivate().resident_limit(aggregates + 1);
    let open = || Subject::open(options.store, &store, Runtime::builder(), hosting.clone());
    let subject = open().await?;
    subject.fill(aggregates, aggregates as u64, options.payload_bytes).await?;
    let left = subject.passivate(aggregates).await?;
    let (usage, mut rates, mut waits) = (Usage::now(), Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        quiet().await;
        let seen = subject.query_all(aggregates).await?;
        rates.push(seen.rate());
        waits.push(seen.done.us(0.99));
        subject.passivate(aggregates).await?;
    }
    let foreign = usage.since().1;
    let mut row = Row::new("activation", options, scratch.path());
    row.workload.aggregates = aggregates;
    row.workload.rounds = rates.len();
    row.foreign_cores = Some(foreign);
    row.p99_us = median(&waits);
    row = row
        .with_figure(median(&rates).unwrap_or_default(), "aggregates/s")
        .with_detail("passivations_per_second", aggregates as f64 / left.as_secs_f64());
    if options.store == crate::subject::StoreKind::Memory {
        return Ok(vec![with_disk(row, subject, &store).await?]);
    }
    subject.close().await?;
    let subject = open().await?;
    let rate = subject.query_all(aggregates).await?.rate();
    row = row.with_detail("after_reopening_per_second", rate);
    Ok(vec![with_disk(row, subject, &store).await?])
}

/// Activates one aggregate with a long history by replay alone.
pub(super) async fn replay(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let hosting = options.hosting().never_passivate().without_snapshots();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(1, events, options.payload_bytes).await?;
    let (usage, mut rates) = (Usage::now(), Vec::new());
    for _ in 0..options.rounds() {
        subject.passivate(1).await?;
        quiet().await;
        let started = Instant::now();
        let notes = subject.journals.query(Name::of(0).as_str(), |journal| journal.notes).await?;
        if notes != events {
            return Err(format!("{notes} of {events} events were replayed").into());
        }
        rates.push(events as f64 / started.elapsed().as_secs_f64());
    }
    let foreign = usage.since().1;
    let mut row = Row::new("replay", options, scratch.path());
    (row.workload.aggregates, row.workload.clients) = (1, 1);
    row.workload.rounds = rates.len();
    row.foreign_cores = Some(foreign);
    row = row.with_figure(median(&rates).unwrap_or_default(), "events/s");
    Ok(vec![with_disk(row, subject, &store).await?])
}
