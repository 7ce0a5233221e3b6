//! The scenario `overload`: with ten times more clients than may wait, overload answers are fast and memory stays
//! constant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::Runtime;

use super::throughput::with_disk;
use crate::Result;
use crate::clients::drive;
use crate::machine::{Usage, rss_bytes};
use crate::options::Options;
use crate::rounds::load;
use crate::row::Row;
use crate::subject::Subject;

/// The number of clients per request that may be pending.
const TIMES_TOO_MANY: usize = 10;

/// The interval at which memory is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn overload(options: &Options) -> Result<Vec<Row>> {
    let clients = options.or(options.clients, 10_240, 1_280);
    let limit = (clients / TIMES_TOO_MANY).max(1);
    let options = &Options { clients: Some(clients), ..options.clone() };
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new("overload", options, scratch.path());
    let builder = Runtime::builder().pending_limit(limit);
    let subject = Subject::open(options.store, &store, builder, options.hosting()).await?;
    let (over, usage) = (Arc::new(AtomicBool::new(false)), Usage::now());
    let memory = tokio::spawn(watch_memory(over.clone()));
    let seen = drive(&subject, &load(&row, options)).await;
    over.store(true, Ordering::Relaxed);
    let (half, end) = memory.await?;
    let (seen, foreign) = (seen?, usage.since().1);
    let mut row = row.with_seen(&seen);
    row.foreign_cores = Some(foreign);
    row.rss_bytes = Some(end);
    let row = row
        .with_figure(seen.overloaded.us(0.99), "µs p99 to Overloaded")
        .with_detail("overloaded_answers", seen.overloaded.count() as f64)
        .with_detail("overloaded_p50_us", seen.overloaded.us(0.5))
        .with_detail("pending_limit", limit as f64)
        .with_detail("rss_growth_bytes_in_the_second_half", end as f64 - half as f64);
    Ok(vec![with_disk(row, subject, &store).await?])
}

/// The peak memory of the first half of the time, and of all of it.
async fn watch_memory(over: Arc<AtomicBool>) -> (u64, u64) {
    let mut highest = vec![rss_bytes().unwrap_or(0)];
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(MEASURE_EVERY).await;
        let before = highest.last().copied().unwrap_or(0);
        highest.push(rss_bytes().unwrap_or(0).max(before));
    }
    (highest[highest.len() / 2], highest[highest.len() - 1])
}
