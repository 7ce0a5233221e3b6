//! Snapshots of unloaded aggregates that wait while the store is busy.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use actuarius::operations::Reuse;
use actuarius::store::fault::Hold;
use actuarius::store::memory::{self, Contents};
use actuarius::{Aggregates, Hosting, Runtime};
use tokio::task::JoinHandle;

use super::tally::{Tally, look, stream};
use crate::common::{eventually, open_on, until_held};

/// Writes 1 to 5 to "a", then lets the store be busy with "b", and unloads "a".
async fn unloaded_while_busy(
    contents: &Arc<Contents>,
) -> (Runtime, Aggregates<Tally>, Hold, JoinHandle<()>) {
    let (runtime, faults) = open_on(contents).await;
    let tallies = runtime.host_with::<Tally>(Hosting::default().never_passivate());
    for amount in 1..=5 {
        tallies.execute("a", amount).await.unwrap();
    }
    let hold = faults.hold();
    let writing = tallies.execute("b", 1).into_future();
    let writing = tokio::spawn(async move { assert_eq!(writing.await.unwrap().events, 1) });
    let hold = until_held(hold).await;
    assert!(tallies.passivate("a").unwrap());
    eventually(|| tallies.resident() == 1).await;
    (runtime, tallies, hold, writing)
}

async fn close(runtime: Runtime) {
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
}

/// Aggregates that came and went wrote a snapshot each time, and read it a moment later: the disk had to carry more
/// snapshots than events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_is_loaded_from_a_snapshot_that_waits_to_be_stored() {
    let contents = Arc::default();
    let (runtime, tallies, hold, writing) = unloaded_while_busy(&contents).await;
    assert_eq!(look(&tallies).await, (15, 0));
    assert!(memory::reopen(&contents).reader.snapshot(&stream("a"), None).unwrap().is_none());
    hold.release();
    writing.await.unwrap();
    assert_eq!(
        tallies.execute("a", 6).returning(|it| (it.sum, it.replayed)).await.unwrap(),
        (21, 1)
    );
    close(runtime).await;
    let (runtime, _) = open_on(&contents).await;
    assert_eq!(look(&runtime.host::<Tally>()).await, (21, 0));
}

/// Its snapshot was taken before the end of its stream, and would bring back what was erased with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_waiting_snapshot_of_a_deleted_aggregate_is_never_stored() {
    let contents = Arc::default();
    let (runtime, tallies, hold, writing) = unloaded_while_busy(&contents).await;
    let deleting = tallies.delete("a", Reuse::Allowed).into_future();
    let deleting = tokio::spawn(async move { assert_eq!(deleting.await.unwrap().commits, 5) });
    hold.release();
    writing.await.unwrap();
    deleting.await.unwrap();
    close(runtime).await;
    assert!(memory::reopen(&contents).reader.snapshot(&stream("a"), None).unwrap().is_none());
}
