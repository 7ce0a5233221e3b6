//! Rows, keys and views that do not read back.

use std::convert::Infallible;
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{Key, KeyBytes, KeyedProjection, Projection, Retry, Rows, View};
use actuarius::store::memory;
use actuarius::store::views::Views;
use actuarius::{Aggregate, Codec, Context, Envelope, Position, Runtime};
use serde::{Deserialize, Serialize};

use super::{count, counting};
use crate::world::LONG;

#[derive(Default, Serialize, Deserialize)]
struct Shop;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Sold {
    Sold(u64),
}

impl Aggregate for Shop {
    const TYPE: &'static str = "shop";
    type Command = u64;
    type Event = Sold;
    type Error = Infallible;

    fn decide(&self, cents: u64, _: &Context) -> Result<Vec<Sold>, Infallible> {
        Ok(vec![Sold::Sold(cents)])
    }

    fn apply(&mut self, _: &Sold) {}
}

/// The cents of each sale, if they are known. JSON reads `Some(None)` as `None`.
struct Sales;

impl View for Sales {
    type Key = u64;
    type Row = Option<Option<u64>>;
}

impl KeyedProjection<Shop> for Sales {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Shop>) {
        let Sold::Sold(cents) = envelope.event;
        let known = (cents < 100).then_some(cents);
        rows.put(envelope.header.position.get(), Some(known));
    }
}

fn at_once() -> Retry {
    Retry::default().attempts(2).waits(Duration::ZERO, Duration::ZERO)
}

async fn sold(runtime: &Runtime, all: &[u64]) {
    let shops = runtime.host::<Shop>();
    for cents in all {
        shops.execute("corner", *cents).await.unwrap();
    }
}

/// The row was stored, and could not be read at once, while the status of the view was `Live`. It halted at the
/// next event of that row after a restart.
#[tokio::test]
async fn a_row_that_does_not_read_back_halts_the_view_at_its_event() {
    let runtime = Runtime::in_memory().await.unwrap();
    sold(&runtime, &[1, 2, 500, 3]).await;
    let sales = runtime.keyed::<Sales>("sales").codec(Codec::Json).retry(at_once());
    let sales = sales.on::<Shop>().start().await.unwrap();
    sales.wait_for_within(Position::new(4), LONG).await.unwrap_err();
    match sales.status() {
        FollowerStatus::Halted { position, why } => {
            assert_eq!(position, Position::new(3));
            assert!(why.contains("cannot be stored") && why.contains("Option"), "{why}");
        }
        status => panic!("{status:?}"),
    }
    assert_eq!(sales.rows().list().unwrap(), [(1, Some(Some(1))), (2, Some(Some(2)))]);
    drop(sales);

    let sales = runtime.keyed::<Sales>("other").codec(Codec::Bincode).on::<Shop>();
    let sales = sales.start().await.unwrap();
    sales.wait_for_within(Position::new(4), LONG).await.unwrap();
    assert_eq!(sales.get(&3).unwrap(), Some(Some(None)));
}

/// A key that writes other bytes than it reads.
#[derive(Debug, Clone, PartialEq)]
struct Shelf(u64);

impl KeyBytes for Shelf {
    fn write(&self, out: &mut Vec<u8>) {
        (self.0 / 10).write(out);
    }
}

impl Key for Shelf {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self)
    }
}

struct Shelves;

impl View for Shelves {
    type Key = Shelf;
    type Row = u64;
}

impl KeyedProjection<Shop> for Shelves {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Shop>) {
        let Sold::Sold(cents) = envelope.event;
        rows.put(Shelf(cents), cents);
    }
}

/// The rows were stored under keys that listed as other ones.
#[tokio::test]
async fn a_key_that_does_not_read_back_halts_the_view_at_its_event() {
    let runtime = Runtime::in_memory().await.unwrap();
    sold(&runtime, &[0, 77]).await;
    let shelves = runtime.keyed::<Shelves>("shelves").retry(at_once()).on::<Shop>();
    let shelves = shelves.start().await.unwrap();
    shelves.wait_for_within(Position::new(2), LONG).await.unwrap_err();
    let status = shelves.status();
    let is_halted = matches!(&status, FollowerStatus::Halted { position, why }
        if *position == Position::new(2) && why.contains("key"));
    assert!(is_halted, "{status:?}");
    assert_eq!(shelves.rows().list().unwrap(), [(Shelf(0), 0)]);
}

/// What was sold last, and how. JSON reads `Some(None)` as `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Last {
    all: u64,
    last: Option<Option<u64>>,
}

impl Projection<Shop> for Last {
    fn project(&mut self, envelope: &Envelope<Shop>) {
        let Sold::Sold(cents) = envelope.event;
        self.all += cents;
        self.last = Some((cents > 0).then_some(cents));
    }
}

/// A view was saved, and was another one after a restart, until an event changed it.
#[test]
fn a_view_that_does_not_read_back_is_not_saved_and_is_counted() {
    let counters = counting(async {
        let (contents, views) = (std::sync::Arc::default(), Views::in_memory());
        for life in 1..=2 {
            let builder = Runtime::builder().views(views.clone());
            let runtime = builder.on_store(memory::reopen(&contents)).await.unwrap();
            let last = runtime.projection::<Last>("last").codec(Codec::Json).on::<Shop>();
            let last = last.start().await.unwrap();
            assert_eq!(last.position(), Position::NONE, "no view was found");
            if life == 1 {
                sold(&runtime, &[5, 0]).await;
            }
            runtime.caught_up(LONG).await.unwrap();
            last.rebuild().await.unwrap();
            runtime.caught_up(LONG).await.unwrap();
            let shown = last.read(Clone::clone);
            assert_eq!(shown, Last { all: 5, last: Some(None) });
            drop(last);
            assert!(runtime.shutdown(LONG).await.is_clean());
        }
    });
    assert_eq!(count(&counters, "actuarius_view_saves_total", "saved"), 0);
    assert!(count(&counters, "actuarius_view_saves_total", "dropped") >= 2);
}

/// A view that reads back is saved as before, and counted.
#[test]
fn a_view_that_reads_back_is_saved_and_is_counted() {
    let counters = counting(async {
        let (contents, views) = (std::sync::Arc::default(), Views::in_memory());
        for life in 1..=2 {
            let builder = Runtime::builder().views(views.clone());
            let runtime = builder.on_store(memory::reopen(&contents)).await.unwrap();
            let last = runtime.projection::<Last>("last").codec(Codec::Json).on::<Shop>();
            let last = last.start().await.unwrap();
            if life == 1 {
                sold(&runtime, &[5, 7]).await;
            } else {
                assert_eq!(last.position(), Position::new(2), "the view is found");
            }
            runtime.caught_up(LONG).await.unwrap();
            assert_eq!(last.read(Clone::clone), Last { all: 12, last: Some(Some(7)) });
            drop(last);
            assert!(runtime.shutdown(LONG).await.is_clean());
        }
    });
    assert!(count(&counters, "actuarius_view_saves_total", "saved") >= 1);
    assert_eq!(count(&counters, "actuarius_view_saves_total", "dropped"), 0);
}
