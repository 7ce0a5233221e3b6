//! The scenario `large-snapshot`: the latency of other clients while snapshots of 64 MiB are stored.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::{Aggregate, Aggregates, Context, Hosting, Runtime};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::throughput::with_disk;
use crate::Result;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::Row;
use crate::subject::Subject;
use crate::workload::payload;

/// The clients that are measured, each with one command in flight.
const CLIENTS: usize = 50;

/// The size of the large state, in pages.
const PAGES: usize = 1_024;
const PAGE_BYTES: usize = 64 * 1024;

/// Measures 50 clients with and without an aggregate that stores a snapshot of 64 MiB after each of its commands.
pub(super) async fn large_snapshot(options: &Options) -> Result<Vec<Row>> {
    let clients = Some(options.clients.unwrap_or(CLIENTS));
    let options = &Options { clients, ..options.clone() };
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new("large-snapshot", options, scratch.path());
    let subject =
        Subject::open(options.store, &store, Runtime::builder(), options.hosting()).await?;
    let large = subject.runtime.host_with::<Book>(Hosting::default().snapshot_every(1));
    let pages = options.or(None, PAGES, 16);
    large.execute("large", Fill { pages, seed: options.seed }).await?;

    let (mut alone, mut beside, mut snapshots) = (Side::default(), Side::default(), 0);
    let load = load(&row, options);
    for _ in 0..options.rounds() {
        turn(&subject, &load, &mut alone).await?;
        let writing = Writing::start(large.clone());
        turn(&subject, &load, &mut beside).await?;
        snapshots += writing.stop().await?;
    }
    let times = |quantile| beside.seen.done.us(quantile) / alone.seen.done.us(quantile).max(0.1);
    let row = row
        .with_seen(&beside.seen)
        .with_figure(times(0.999), "x p99.9 without")
        .with_detail("p50_ratio", times(0.5))
        .with_detail("p99_ratio", times(0.99))
        .with_detail("p999_alone_us", alone.seen.done.us(0.999))
        .with_detail("snapshots", f64::from(snapshots));
    Ok(vec![with_disk(row, subject, &store).await?])
}

/// Sends commands to the large aggregate one after another, each of which stores a snapshot.
struct Writing {
    is_over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<u32>>,
}

impl Writing {
    fn start(large: Aggregates<Book>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let task = tokio::spawn(async move {
            let mut commands = 0;
            while !until.load(Ordering::Relaxed) {
                large.execute("large", Fill { pages: 1, seed: commands.into() }).await?;
                commands += 1;
            }
            Ok(commands)
        });
        Self { is_over, task }
    }

    async fn stop(self) -> Result<u32> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

/// An aggregate with a large state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    pages: Vec<String>,
}

/// Replaces the first pages by random ones, so that no two snapshots are the same.
#[derive(Debug, Clone, Copy)]
struct Fill {
    pages: usize,
    seed: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum BookEvent {
    Filled { pages: usize, seed: u64 },
}

impl Aggregate for Book {
    const TYPE: &'static str = "book";
    type Command = Fill;
    type Event = BookEvent;
    type Error = Infallible;

    fn decide(&self, fill: Fill, _: &Context) -> std::result::Result<Vec<BookEvent>, Infallible> {
        Ok(vec![BookEvent::Filled { pages: fill.pages, seed: fill.seed }])
    }

    fn apply(&mut self, BookEvent::Filled { pages, seed }: &BookEvent) {
        let mut rng = Rng::with_seed(*seed);
        self.pages.resize((*pages).max(self.pages.len()), String::new());
        for page in &mut self.pages[..*pages] {
            *page = payload(&mut rng, PAGE_BYTES);
        }
    }
}
