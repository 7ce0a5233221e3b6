//! Streams of changes: a handler may return one of a handle that it has cloned, and they end with the runtime.

use std::sync::Arc;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::projection::{InMemory, Keyed, KeyedProjection, Rows, View};
use serde::{Deserialize, Serialize};
use tokio_stream::{Stream, StreamExt};

use crate::common::{Command, Event, Ledger, Sum};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// The total of each ledger.
struct Totals;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Total(i64);

impl View for Totals {
    type Key = String;
    type Row = Total;
}

impl KeyedProjection<Ledger> for Totals {
    fn project(rows: &mut Rows<'_, Self>, envelope: &actuarius::Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            rows.update(envelope.id.as_str(), |row: &mut Total| row.0 += amount);
        }
    }
}

/// What a service keeps in the state of its router.
struct App {
    runtime: Runtime,
    sum: InMemory<Sum>,
    totals: Keyed<Totals>,
}

async fn app() -> Arc<App> {
    let runtime = Runtime::in_memory().await.unwrap();
    let sum = runtime.projection("sum").on::<Ledger>().start().await.unwrap();
    let totals = runtime.keyed("totals").on::<Ledger>().start().await.unwrap();
    Arc::new(App { runtime, sum, totals })
}

/// A response whose body is a stream, as web frameworks require it.
fn events(
    stream: impl Stream<Item = String> + Send + 'static,
) -> impl Stream<Item = String> + Send {
    stream
}

/// The obvious handlers did not compile: the stream borrowed the handle, a local of the function.
async fn live_sum(app: Arc<App>) -> impl Stream<Item = String> + Send {
    events(app.sum.changes(|sum| sum.0).map(|sum| sum.to_string()))
}

async fn live_total(app: Arc<App>, id: String) -> impl Stream<Item = String> + Send {
    let totals = app.totals.clone();
    events(totals.changes_of(id.as_str()).map(|row| format!("{:?}", row.unwrap())))
}

async fn live_keys(app: Arc<App>) -> impl Stream<Item = String> + Send {
    let totals = app.totals.clone();
    events(totals.changes().map(|change| format!("{:?}", change.unwrap().keys)))
}

type Live = std::pin::Pin<Box<dyn Stream<Item = String> + Send>>;

/// Opens all streams, and reads what they show of one deposit.
async fn open(app: &Arc<App>) -> Vec<Live> {
    let mut keys: Live = Box::pin(live_keys(app.clone()).await);
    let ledgers = app.runtime.host::<Ledger>();
    let receipt = ledgers.execute("a", Command::Add(5)).await.unwrap();
    for follower in
        [app.sum.wait_for(receipt.position).await, app.totals.wait_for(receipt.position).await]
    {
        follower.unwrap();
    }
    let mut sum: Live = Box::pin(live_sum(app.clone()).await);
    let mut total: Live = Box::pin(live_total(app.clone(), "a".to_owned()).await);
    assert_eq!(sum.next().await.as_deref(), Some("5"));
    assert_eq!(total.next().await.as_deref(), Some("Some(Total(5))"));
    assert_eq!(keys.next().await.as_deref(), Some("[\"a\"]"));
    vec![sum, total, keys]
}

/// Each open page kept its service from ending: the streams ended only when the last handle of the view was dropped,
/// which the state of the router holds until the service has ended.
#[tokio::test]
async fn streams_end_with_a_shutdown_although_handles_of_their_views_are_held() {
    let app = app().await;
    let streams = open(&app).await;
    assert!(app.runtime.shutdown(LONG).await.is_clean());
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}

#[tokio::test]
async fn streams_do_not_keep_the_runtime_open_and_end_with_it() {
    let app = app().await;
    let streams = open(&app).await;
    drop(Arc::into_inner(app).expect("no stream holds the state"));
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}
