//! The time from a command's answer until its events are in a view, under full and under half load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actuarius::Runtime;
use actuarius::projection::InMemory;

use super::views::{self, Sums};
use crate::Result;
use crate::clients::{Answer, Load, Target};
use crate::latency::Latencies;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median};
use crate::subject::Subject;
use crate::syncs;
use crate::workload::{Name, Record};

/// One command in this many is watched until the view shows it: enough for a figure, and too few to affect it.
const ONE_IN: usize = 16;

pub(super) async fn lag(options: &Options) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let hosting = options.hosting();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    let view = views::in_memory(&subject.runtime, "watched").await?;
    let full = Row::new("projection-lag-full-load", options, scratch.path());
    let load = load(&full, options);
    let watched = Watched { subject, view, pace: None, lags: Arc::default(), sent: Arc::default() };
    let (full, rate) = measure(&watched, &load, options, full).await?;
    let half = Row::new("projection-lag-half-load", options, scratch.path());
    let pace = Duration::from_secs_f64(load.clients as f64 / (rate / 2.0));
    let watched = Watched { pace: Some(pace), lags: Arc::default(), ..watched };
    let (half, _) = measure(&watched, &load, options, half).await?;
    watched.subject.close().await?;
    Ok(vec![full, half])
}

async fn measure(
    watched: &Watched,
    load: &Load,
    options: &Options,
    row: Row,
) -> Result<(Row, f64)> {
    let mut side = Side::default();
    for _ in 0..options.rounds() {
        turn(watched, load, &mut side).await?;
    }
    let (rate, lags) = (median(&side.rates).unwrap_or_default(), watched.lags.merged());
    let mut row = row.with_seen(&side.seen).with_figure(lags.us(0.99), "µs p99");
    (row.p50_us, row.p99_us) = (Some(lags.us(0.5)), Some(lags.us(0.99)));
    row.p999_us = Some(lags.us(0.999));
    (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
    row.rss_bytes = side.rss_bytes;
    row.foreign_cores = Some(side.foreign_cores);
    row.workload.rounds = side.rates.len();
    Ok((row.with_detail("watched", lags.count() as f64), rate))
}

/// Sends commands, and waits until the view shows some of them.
#[derive(Clone)]
struct Watched {
    subject: Subject,
    view: InMemory<Sums>,
    /// The interval between two commands of a client.
    pace: Option<Duration>,
    lags: Arc<Latencies>,
    sent: Arc<AtomicUsize>,
}

impl Target for Watched {
    async fn send(&self, aggregate: usize, payload: String) -> Answer {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let next = self.pace.map(|pace| tokio::time::sleep(pace));
        let journals = &self.subject.journals;
        let answer = journals.execute(Name::of(aggregate).as_str(), Record(payload)).await;
        let receipt = match answer {
            Ok(receipt) => receipt,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        if number.is_multiple_of(ONE_IN) {
            let answered = Instant::now();
            if let Err(error) = self.view.wait_for(receipt.position).await {
                return Answer::Failed(error.to_string());
            }
            self.lags.note(number / ONE_IN, answered.elapsed());
        }
        if let Some(next) = next {
            next.await;
        }
        Answer::Done
    }

    fn syncs(&self) -> u64 {
        syncs::so_far()
    }
}
