//! A projection that is far slower than the writers: its cost to them, and its memory.

use std::time::Duration;

use actuarius::projection::Projection;
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::machine::rss_bytes;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median, ratio};
use crate::subject::Subject;
use crate::workload::Journal;

/// Waits a millisecond for each event.
#[derive(Default, Serialize, Deserialize)]
struct Slow(u64);

impl Projection<Journal> for Slow {
    fn project(&mut self, _: &Envelope<Journal>) {
        self.0 += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(super) async fn slow(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new("projection-slow", options, scratch.path());
    let subject =
        Subject::open(options.store, &store, Runtime::builder(), options.hosting()).await?;
    let (mut without, mut with, mut lag) = (Turns::default(), Turns::default(), 0);
    for _ in 0..options.rounds() {
        without.take(&subject, &row, options).await?;
        // It resumes where it stopped, with a growing lag.
        let slow = subject.runtime.projection::<Slow>("slow").on::<Journal>().start().await?;
        with.take(&subject, &row, options).await?;
        lag = slow.lag();
        slow.stop().await;
    }
    subject.close().await?;
    let rate = median(&with.side.rates).unwrap_or_default();
    let mut row = row.with_seen(&with.side.seen).with_figure(rate, "commands/s");
    (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
    row.rss_bytes = with.side.rss_bytes;
    row.foreign_cores = Some(with.side.foreign_cores);
    row.workload.rounds = with.side.rates.len();
    let kept = ratio(&with.side.rates, &without.side.rates).unwrap_or_default();
    Ok(vec![
        row.with_detail("lag_at_end", lag as f64)
            .with_detail("memory_grown_bytes", with.grown as f64)
            .with_detail("memory_grown_bytes_without", without.grown as f64)
            .with_detail("share_of_commands_without", kept),
    ])
}

/// The rounds of one side, and the growth of memory over all of them. The store and its caches grow with the written
/// data, with and without followers.
#[derive(Default)]
struct Turns {
    side: Side,
    grown: i64,
}

impl Turns {
    async fn take(&mut self, subject: &Subject, row: &Row, options: &Options) -> Result<()> {
        let before = rss_bytes();
        turn(subject, &load(row, options), &mut self.side).await?;
        let grown = rss_bytes().unwrap_or(0).cast_signed() - before.unwrap_or(0).cast_signed();
        self.grown += grown;
        Ok(())
    }
}
