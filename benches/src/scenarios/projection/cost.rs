//! Commands per second with none, one and five projections attached, measured in turns so that drift affects all
//! equally.

use actuarius::Runtime;

use super::views;
use crate::Result;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median, ratio};
use crate::subject::Subject;

const ATTACHED: [usize; 3] = [0, 1, 5];

pub(super) async fn cost(options: &Options) -> Result<Vec<Row>> {
    let mut sides: [(Side, u64); 3] = Default::default();
    for _ in 0..options.rounds() {
        for (attached, (side, lag)) in ATTACHED.into_iter().zip(&mut sides) {
            *lag = (*lag).max(with_attached(attached, options, side).await?);
        }
    }
    let none = sides[0].0.rates.clone();
    let rows = ATTACHED.into_iter().zip(&sides).map(|(attached, (side, lag))| {
        let scenario = format!("projection-cost-{attached}");
        let mut row = Row::new(&scenario, options, std::path::Path::new("."));
        row = row.with_seen(&side.seen);
        let rate = median(&side.rates).unwrap_or_default();
        (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
        row.rss_bytes = side.rss_bytes;
        row.foreign_cores = Some(side.foreign_cores);
        row.workload.rounds = side.rates.len();
        let kept = ratio(&side.rates, &none).unwrap_or_default();
        row.with_figure(rate, "commands/s")
            .with_detail("share_of_commands_without", kept)
            .with_detail("largest_lag_at_end", *lag as f64)
    });
    Ok(rows.collect())
}

/// Measures one round on a new store, so that all begin with equal stores. Returns the largest lag of a projection, in
/// events, when the clients stop.
async fn with_attached(attached: usize, options: &Options, side: &mut Side) -> Result<u64> {
    let scratch = options.scratch()?;
    let row = Row::new("projection-cost", options, scratch.path());
    let store = scratch.path().join("store");
    let hosting = options.hosting();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    let mut projections = Vec::new();
    for number in 0..attached {
        projections.push(views::in_memory(&subject.runtime, &format!("view-{number}")).await?);
    }
    turn(&subject, &load(&row, options), side).await?;
    let lag = projections.iter().map(|projection| projection.lag()).max().unwrap_or(0);
    subject.close().await?;
    Ok(lag)
}
