//! A projection that is far slower than the writers: what it costs them, and what it keeps in memory.

use std::time::Duration;

use actuarius::{Envelope, Hosting, Projection, Runtime};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::machine::rss_bytes;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median};
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
        Subject::open(options.store, &store, Runtime::builder(), Hosting::default()).await?;
    let load = load(&row, options);
    let (mut without, mut with) = (Side::default(), Side::default());
    turn(&subject, &load, &mut without).await?;
    let before = rss_bytes();
    let slow = subject.runtime.projection::<Slow>("slow").on::<Journal>().start().await?;
    for _ in 0..options.rounds() {
        turn(&subject, &load, &mut with).await?;
    }
    let (lag, rate) = (slow.lag(), median(&with.rates).unwrap_or_default());
    slow.stop().await;
    subject.close().await?;
    let mut row = row.with_seen(&with.seen).with_figure(rate, "commands/s");
    (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
    row.rss_bytes = with.rss_bytes;
    row.foreign_cores = Some(with.foreign_cores);
    row.workload.rounds = with.rates.len();
    let grown = with.rss_bytes.unwrap_or(0).saturating_sub(before.unwrap_or(0));
    let share = rate / median(&without.rates).unwrap_or(rate);
    Ok(vec![
        row.with_detail("lag_at_end", lag as f64)
            .with_detail("memory_grown_bytes", grown as f64)
            .with_detail("share_of_commands_without", share),
    ])
}
