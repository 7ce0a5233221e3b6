//! What an idle aggregate takes in memory.

use actuarius::{Hosting, Runtime};

use super::throughput::with_disk;
use crate::Result;
use crate::machine::{quiet, rss_bytes};
use crate::options::Options;
use crate::row::Row;
use crate::subject::Subject;

/// Aggregates that are brought in first, so that what the runtime needs once is not counted.
const FIRST: usize = 1_000;

/// Brings aggregates into memory, then gives each an event, and looks at the process each time. The
/// figure is that of the end, with all that the store keeps for them; the part of the aggregates
/// alone stands beside it.
pub(super) async fn resident(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let aggregates = options.or(options.aggregates, 100_000, 5_000);
    let hosting = Hosting::default().never_passivate().resident_limit(aggregates + FIRST + 1);
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(FIRST, FIRST as u64, options.payload_bytes).await?;
    let before = memory().await?;
    let all = aggregates + FIRST;
    subject.look_at_all(all).await?;
    let idle = memory().await?;
    subject.fill(all, all as u64, options.payload_bytes).await?;
    let used = memory().await?;
    if subject.journals.resident() != all {
        return Err(format!("only {} are in memory", subject.journals.resident()).into());
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
    rss_bytes().map(|bytes| bytes as f64).ok_or_else(|| "/proc is needed here".into())
}
