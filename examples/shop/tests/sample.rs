//! The sample, from its file to the store and back, twice on the same directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shop::{Books, Cents, History, Progress, Replayed, Shop, Stopwatch, Sums, Totals};

const SAMPLE: Totals = Totals {
    customers: 2_357,
    bought: Sums { purchases: 6_919, cds: 16_479, spent: Cents(24_409_194) },
};

/// A stopwatch that advances by a millisecond with every reading.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Stopwatch for Ticks {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Count(AtomicU64);

impl Progress for Count {
    fn acknowledged(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn sample() -> History {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow-purchases-sample.txt");
    History::read(&file).unwrap()
}

async fn visit(directory: &Path, history: &History, clients: usize) -> (Replayed, Books, u64) {
    let shop = Shop::open(directory).await.unwrap();
    let progress = Arc::new(Count::default());
    let replayed =
        shop.replay(history, clients, Arc::new(Ticks::default()), progress.clone()).await.unwrap();
    let books = shop.books(history, 10).await.unwrap();
    assert_eq!(progress.0.load(Ordering::Relaxed), history.totals.bought.purchases);
    assert_eq!(replayed.latencies.len(), history.totals.bought.purchases);
    let events = shop.on_disk().unwrap().events;
    shop.close().await.unwrap();
    (replayed, books, events)
}

#[test]
fn the_file_has_the_known_sums() {
    assert_eq!(sample().totals, SAMPLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replay_writes_nothing_and_the_sums_stay() {
    let directory = tempfile::tempdir().unwrap();
    let history = sample();
    let (first, books, events) = visit(directory.path(), &history, 256).await;
    assert_eq!((first.written, first.there_already), (6_919, 0));
    assert_eq!((books.totals, events), (SAMPLE, 6_919));

    let (second, books_again, events) = visit(directory.path(), &history, 64).await;
    assert_eq!((second.written, second.there_already), (0, 6_919));
    assert_eq!((books_again, events), (books, 6_919));
}

#[tokio::test]
async fn a_lone_client_waits_one_tick_for_each_answer() {
    let directory = tempfile::tempdir().unwrap();
    let mut history = sample();
    history.buyers = history.buyers[..3].into();
    let purchases: usize = history.buyers.iter().map(|buyer| buyer.purchases.len()).sum();
    history.totals.bought.purchases = purchases as u64;
    let (replayed, ..) = visit(directory.path(), &history, 1).await;
    assert_eq!((replayed.latencies.min(), replayed.latencies.max()), (1_000, 1_000));
    assert_eq!(replayed.took, Duration::from_millis(2 * purchases as u64 + 1));
}
