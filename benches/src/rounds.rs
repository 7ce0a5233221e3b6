//! The rounds, in which the runtime and the plain log take turns with the same clients.

use crate::Result;
use crate::clients::{Extent, Load, Seen, Target, drive};
use crate::distribution::Chooser;
use crate::machine::{Usage, quiet, rss_bytes};
use crate::options::Options;
use crate::plain_log::PlainLog;
use crate::row::{Row, median, per_sync, ratio};

/// The results of one side.
#[derive(Clone, Default)]
pub struct Side {
    /// Commands per second, round by round.
    pub rates: Vec<f64>,
    /// The results of the clients over all rounds.
    pub seen: Seen,
    /// The largest number of processors that others kept busy.
    pub foreign_cores: f64,
    /// The memory of the process after the last round.
    pub rss_bytes: Option<u64>,
}

/// The load described by the options and the row's workload.
#[must_use]
pub fn load(row: &Row, options: &Options) -> Load {
    let workload = &row.workload;
    let extent = match options.commands {
        Some(commands) => Extent::Commands(commands),
        None => Extent::For(options.round_time()),
    };
    Load {
        clients: workload.clients,
        chooser: Chooser::new(workload.distribution, workload.aggregates).into(),
        payload_bytes: workload.payload_bytes,
        warm_up: options.warm_up(),
        extent,
        seed: options.seed,
    }
}

/// Measures both sides in turns.
///
/// # Errors
/// The first failed answer.
pub async fn alternate<T: Target>(
    ours: &T,
    plain: &PlainLog,
    load: &Load,
    rounds: usize,
) -> Result<(Side, Side)> {
    let mut sides = (Side::default(), Side::default());
    for round in 0..rounds {
        let load = Load { seed: load.seed.wrapping_add(round as u64 * 1_000_003), ..load.clone() };
        turn(ours, &load, &mut sides.0).await?;
        turn(plain, &load, &mut sides.1).await?;
    }
    Ok(sides)
}

/// Measures one side for one round.
///
/// # Errors
/// The first failed answer.
pub async fn turn<T: Target>(target: &T, load: &Load, side: &mut Side) -> Result<()> {
    if let Extent::For(_) = load.extent {
        quiet().await;
    }
    let usage = Usage::now();
    let seen = drive(target, load).await?;
    side.foreign_cores = side.foreign_cores.max(usage.since().1);
    side.rates.push(seen.rate());
    side.seen.add(&seen);
    side.rss_bytes = rss_bytes();
    Ok(())
}

impl Row {
    /// Sets the figures of both sides.
    #[must_use]
    pub fn with_sides(mut self, ours: &Side, plain: &Side) -> Self {
        self = self.with_seen(&ours.seen);
        self.commands_per_second = median(&ours.rates);
        self.rss_bytes = ours.rss_bytes;
        self.foreign_cores = Some(ours.foreign_cores.max(plain.foreign_cores));
        self.baseline_commands_per_second = median(&plain.rates);
        self.baseline_p50_us = Some(plain.seen.done.us(0.5));
        self.baseline_p99_us = Some(plain.seen.done.us(0.99));
        self.baseline_events_per_sync = per_sync(&plain.seen);
        self.ratio = ratio(&ours.rates, &plain.rates);
        self.workload.rounds = ours.rates.len();
        self
    }
}
