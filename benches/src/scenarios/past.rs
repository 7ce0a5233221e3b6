//! The scenario `past`: the latency of past states, and the rate of steps through a history.

use std::time::Instant;

use actuarius::history::Moment;
use actuarius::{Position, Runtime, Timestamp, Version};
use fastrand::Rng;

use super::throughput::with_disk;
use crate::Result;
use crate::latency::{Latencies, Latency};
use crate::machine::{Usage, quiet, rss_bytes};
use crate::options::Options;
use crate::row::Row;
use crate::subject::Subject;
use crate::workload::Name;

/// The number of events between two snapshots, all of which are kept.
const SNAPSHOT_EVERY: u64 = 1_000;

/// First, one client queries one of several long streams at random moments, by version, position and time. Then it
/// steps through a single stream of as many events in all, without snapshots.
pub(super) async fn past(options: &Options) -> Result<Vec<Row>> {
    Ok(vec![moments(options).await?, history(options).await?])
}

async fn moments(options: &Options) -> Result<Row> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let streams = options.or(options.aggregates, 10, 3);
    let events = options.or(options.events, 1_000_000, 20_000);
    let hosting = options.hosting().snapshot_every(SNAPSHOT_EVERY).snapshots_kept(u32::MAX);
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(streams, events, options.payload_bytes).await?;
    subject.passivate(streams).await?;
    quiet().await;
    let usage = Usage::now();
    let range = Range::of(&subject).await?;
    let mut rng = Rng::with_seed(options.seed);
    let times = options.or(options.commands, 2_000, 200);
    let (mut all, mut row) = (Latency::default(), Row::new("past", options, scratch.path()));
    for kind in [Kind::Version, Kind::Position, Kind::Time] {
        let took = range.query(&subject, kind, &mut rng, times).await?;
        row = row
            .with_detail(&format!("by_{}_p50_us", kind.name()), took.us(0.5))
            .with_detail(&format!("by_{}_p99_us", kind.name()), took.us(0.99));
        all.add(&took);
    }
    row.foreign_cores = Some(usage.since().1);
    (row.workload.aggregates, row.workload.clients) = (streams, 1);
    (row.p50_us, row.p99_us, row.p999_us) =
        (Some(all.us(0.5)), Some(all.us(0.99)), Some(all.us(0.999)));
    row = row
        .with_figure(all.us(0.99), "µs p99 as of a moment")
        .with_detail("events_of_the_stream", range.last.get() as f64);
    with_disk(row, subject, &store).await
}

/// The range of the first stream's moments.
struct Range {
    last: Version,
    head: Position,
    /// The times of its first and its last event.
    times: (Timestamp, Timestamp),
}

#[derive(Clone, Copy)]
enum Kind {
    Version,
    Position,
    Time,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Position => "position",
            Self::Time => "time",
        }
    }
}

impl Range {
    async fn of(subject: &Subject) -> Result<Self> {
        let (name, journals) = (Name::of(0), &subject.journals);
        let last = journals.version(name.as_str()).await?;
        let (mut times, end) = (Vec::new(), [Version::new(1), last]);
        for version in end {
            times.extend(journals.as_of(name.as_str(), version).await?.time);
        }
        let [first, newest] = times[..] else { return Err("the stream is empty".into()) };
        Ok(Self { last, head: subject.runtime.head(), times: (first, newest) })
    }

    fn any(&self, kind: Kind, rng: &mut Rng) -> Moment {
        match kind {
            Kind::Version => Version::new(rng.u64(1..=self.last.get())).into(),
            Kind::Position => Position::new(rng.u64(1..=self.head.get())).into(),
            Kind::Time => {
                let (first, last) = (self.times.0.as_micros(), self.times.1.as_micros());
                Timestamp::from_micros(rng.i64(first..=last)).into()
            }
        }
    }

    async fn query(
        &self,
        subject: &Subject,
        kind: Kind,
        rng: &mut Rng,
        times: u64,
    ) -> Result<Latency> {
        let (name, latencies) = (Name::of(0), Latencies::default());
        for _ in 0..times {
            let moment = self.any(kind, rng);
            let began = Instant::now();
            let past = subject.journals.as_of(name.as_str(), moment).await?;
            latencies.note(0, began.elapsed());
            if past.state.notes != past.version.get() {
                return Err(format!("{moment:?} shows {past:?}").into());
            }
        }
        Ok(latencies.merged())
    }
}

async fn history(options: &Options) -> Result<Row> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let events = options.or(options.events, 1_000_000, 20_000);
    let hosting = options.hosting().without_snapshots();
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    subject.fill(1, events, options.payload_bytes).await?;
    subject.passivate(1).await?;
    quiet().await;
    let (before, usage) = (rss_bytes().unwrap_or(0), Usage::now());
    let began = Instant::now();
    let name = Name::of(0);
    let past = subject.journals.as_of(name.as_str(), Version::new(events / 2)).await?;
    let replayed = past.state.notes as f64 / began.elapsed().as_secs_f64();
    let (began, mut steps) = (Instant::now(), 0);
    let mut history = subject.journals.history(name.as_str());
    while let Some(step) = history.next().await? {
        steps += 1;
        if step.state.notes != steps {
            return Err(format!("step {steps} shows {:?}", step.state).into());
        }
    }
    let rate = steps as f64 / began.elapsed().as_secs_f64();
    if steps != events {
        return Err(format!("{steps} of {events} events are in the history").into());
    }
    drop(history);
    let grown = rss_bytes().unwrap_or(0) as f64 - before as f64;
    let mut row = Row::new("past-history", options, scratch.path());
    row.foreign_cores = Some(usage.since().1);
    (row.workload.aggregates, row.workload.clients) = (1, 1);
    row = row
        .with_figure(rate, "steps/s")
        .with_detail("replayed_without_snapshots_per_second", replayed)
        .with_detail("rss_growth_bytes", grown);
    with_disk(row, subject, &store).await
}
