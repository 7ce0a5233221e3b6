//! A rebuild while the view is read and commands are executed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actuarius::Runtime;
use actuarius::projection::InMemory;

use super::views::{self, Sums};
use crate::Result;
use crate::latency::{Latencies, Latency};
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median};
use crate::subject::Subject;

pub(super) async fn rebuild(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let mut row = Row::new("projection-rebuild", options, scratch.path());
    let events = options.or(options.events, 1_000_000, 20_000);
    let subject =
        Subject::open(options.store, &store, Runtime::builder(), options.hosting()).await?;
    subject.fill(row.workload.aggregates, events, options.payload_bytes).await?;
    let view = views::in_memory(&subject.runtime, "rebuilt").await?;
    view.wait_for_within(subject.runtime.head(), Duration::from_secs(3_600)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(read_continuously(view.clone(), over.clone()));
    let (mut side, load) = (Side::default(), load(&row, options));
    let (turned, rebuilt) = tokio::join!(turn(&subject, &load, &mut side), timed(&view));
    turned?;
    let (seconds, projected) = rebuilt?;
    over.store(true, Ordering::Relaxed);
    let reads = reading.await??;
    check(&subject, &view).await?;
    subject.close().await?;
    let rate = projected as f64 / seconds;
    row = row.with_seen(&side.seen).with_figure(rate, "events/s");
    row.commands_per_second = median(&side.rates);
    (row.events_per_second, row.rss_bytes) = (Some(rate), side.rss_bytes);
    (row.p50_us, row.p99_us) = (Some(reads.us(0.5)), Some(reads.us(0.99)));
    row.p999_us = Some(reads.us(0.999));
    row.foreign_cores = Some(side.foreign_cores);
    Ok(vec![row.with_detail("seconds", seconds).with_detail("reads", reads.count() as f64)])
}

/// Rebuilds the view. Returns the seconds it took, and the position of the new view.
async fn timed(view: &InMemory<Sums>) -> Result<(f64, u64)> {
    let started = Instant::now();
    view.rebuild().await?;
    Ok((started.elapsed().as_secs_f64(), view.position().get()))
}

/// Reads a thousand times a second and measures the waits. The view must never go back.
async fn read_continuously(view: InMemory<Sums>, over: Arc<AtomicBool>) -> Result<Latency> {
    let (waits, mut seen) = (Latencies::default(), 0);
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        let notes = view.read_at(|_, position| position.get());
        waits.note(0, started.elapsed());
        if notes < seen {
            return Err(format!("the view went back from {seen} to {notes}").into());
        }
        seen = notes;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(waits.merged())
}

/// Checks that the view shows every event.
async fn check(subject: &Subject, view: &InMemory<Sums>) -> Result<()> {
    let head = subject.runtime.head();
    view.wait_for_within(head, Duration::from_secs(3_600)).await?;
    let notes = view.read(Sums::notes);
    if notes == head.get() { Ok(()) } else { Err(format!("{notes} of {head} events").into()) }
}
