//! The scenario `resident`: memory per idle aggregate.

use actuarius::Runtime;

use super::throughput::with_disk;
use crate::Result;
use crate::machine::{quiet, rss_bytes};
use crate::options::Options;
use crate::row::Row;
use crate::subject::Subject;

/// Aggregates that are activated first, so that memory that the runtime needs only once is not counted.
const FIRST: usize = 1_000;

/// Activates aggregates, then sends each a command, and measures the memory of the process each time. The main figure
/// is that of the end, including what the store keeps for them. The part of the aggregates alone is a detail.
pub(super) async fn resident(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let aggregates = options.or(options.aggregates, 100_000, 5_000);
    let hosting = options.hosting().never_passivate().resident_limit(aggregates + FIRST + 1);
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(FIRST, FIRST as u64, options.payload_bytes).await?;
    let before = memory().await?;
    let all = aggregates + FIRST;
    subject.query_all(all).await?;
    let idle = memory().await?;
    subject.fill(all, all as u64, options.payload_bytes).await?;
    let used = memory().await?;
    if subject.journals.resident() != all {
        return Err(format!("only {} are active", subject.journals.resident()).into());
    }
    subject.passivate(all).await?;
    let left = memory().await?;
    let mut row = Row::new("resident", options, scratch.path());
    row.workload.aggregates = aggregates;
    row.rss_bytes = Some(used as u64);
    let each = |bytes: f64| (bytes - before) / aggregates as f64;
    row = row
        .with_figure(each(used), "bytes/aggregate")
        .with_detail("bytes_before_the_first_command", each(idle))
        .with_detail("bytes_kept_by_the_allocator_after_passivation", each(left));
    Ok(vec![with_disk(row, subject, &store).await?])
}

async fn memory() -> Result<f64> {
    quiet().await;
    rss_bytes().map(|bytes| bytes as f64).ok_or_else(|| "this scenario needs /proc".into())
}
