//! What happens to one aggregate does not happen to its neighbours: a conflict in the store, too large an event, and a
//! hot aggregate beside thousands that are idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actuarius::error::{Unavailable, Written};
use actuarius::health::Status;
use actuarius::store::{COMMIT_BYTES_MAX, fault, memory};
use actuarius::{Aggregate, Context, Failure, Hosting, Runtime, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Ledger, eventually, send, until_held};

/// Another writer had added an event to the stream, so the store refused the append. Its caller learns that nothing was
/// written, others of the same batch are stored, and the aggregate is read again before its next command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_the_store_refuses_fails_alone_and_its_aggregate_continues() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in ["a", "b"] {
        ledgers.execute(id, Command::Add(1)).await.unwrap();
    }
    faults.reject_append(&StreamId::new("ledger", "a").unwrap());
    let refused = send(ledgers.execute("a", Command::Add(10)));
    let neighbour = send(ledgers.execute("b", Command::Add(10)));
    let error = refused.await.unwrap_err();
    let failure = error.failure().unwrap();
    assert!(matches!(failure, Failure::Unavailable(Unavailable::Undone)), "{failure:?}");
    assert!(failure.written() == Written::No && failure.is_retryable());
    neighbour.await.unwrap();
    assert!(matches!(runtime.health().status, Status::Running));
    let again = ledgers.execute("a", Command::Add(100)).await.unwrap();
    assert_eq!(again.version, Version::new(2));
    assert_eq!(ledgers.query("a", |it| it.entries.clone()).await.unwrap(), [1, 100]);
    assert_eq!(ledgers.query("b", |it| it.entries.clone()).await.unwrap(), [1, 10]);
}

/// An event over the limit was known to be refused by the codec, but no test sent one through `execute`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_over_the_limit_is_refused_before_anything_is_written() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let error = ledgers.execute("a", Command::Blob(COMMIT_BYTES_MAX)).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert!(matches!(failure, Failure::Unstorable(_)), "{failure:?}");
    assert_eq!((failure.written(), runtime.head().get()), (Written::No, 1));
    ledgers.execute("a", Command::Blob(10 * 1024 * 1024)).await.unwrap();
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 2);
}

#[derive(Default, Serialize, Deserialize)]
struct Gauge;

#[derive(Serialize, Deserialize)]
enum Moved {
    Moved,
}

/// Counts the decisions, so that a test can wait for them.
impl Aggregate for Gauge {
    const TYPE: &'static str = "gauge";
    type Command = Arc<AtomicUsize>;
    type Event = Moved;
    type Error = std::convert::Infallible;

    fn decide(&self, decisions: Self::Command, _: &Context) -> Result<Vec<Moved>, Self::Error> {
        decisions.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Moved::Moved])
    }

    fn apply(&mut self, _: &Moved) {}
}

/// The hot aggregate has a thousand commands in its inbox when the others get one each. It has one append in flight, so
/// theirs are in the next batch: their events come right after the first one of the hot aggregate, before all others.
#[tokio::test]
async fn idle_aggregates_do_not_wait_for_the_inbox_of_a_hot_one() {
    const IDLE: usize = 10_000;
    const HOT: usize = 1_000;
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let gauges = runtime.host_with::<Gauge>(Hosting::default().never_passivate().inbox_limit(HOT));
    for id in 0..IDLE {
        gauges.query(id.to_string(), |_| ()).await.unwrap();
    }
    gauges.query("hot", |_| ()).await.unwrap();
    let decisions = Arc::new(AtomicUsize::new(0));
    let execute = |id: String| send(gauges.execute(id, decisions.clone()));
    let hold = faults.hold();
    let first = execute("hot".to_owned());
    let hold = until_held(hold).await;
    let hot: Vec<_> = (0..HOT).map(|_| execute("hot".to_owned())).collect();
    let idle: Vec<_> = (0..IDLE).step_by(IDLE / 10).map(|id| execute(id.to_string())).collect();
    eventually(|| decisions.load(Ordering::SeqCst) == 1 + idle.len()).await;
    hold.release();
    assert_eq!(first.await.unwrap().position.get(), 1);
    let last_idle = 1 + idle.len() as u64;
    for answer in idle {
        assert!((2..=last_idle).contains(&answer.await.unwrap().position.get()));
    }
    for (place, answer) in (last_idle + 1..).zip(hot) {
        assert_eq!(answer.await.unwrap().position.get(), place);
    }
}
