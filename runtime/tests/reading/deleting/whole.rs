//! No follower takes a part of a stream whose events are being removed.

use std::sync::Arc;
use std::time::Duration;

use actuarius::operations::Reuse;
use actuarius::store::fault::{self, Failure, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Gone, PageLimit};
use actuarius::{Envelope, Position, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Heard, Sums, add};
use crate::common::{Command, Ledger, Sum, eventually, open_on, until_held};

const LONG: Duration = Duration::from_secs(60);

/// Stores a hundred events of `alice` and one of `bob`, and deletes `alice`, but the process is killed when the
/// first 32 of her events are removed.
async fn killed_within_a_deletion(contents: &Arc<Contents>, reuse: Reuse) {
    let (runtime, faults) = open_on(contents).await;
    add(&runtime, "alice", 100).await;
    add(&runtime, "bob", 1).await;
    // The note, the end of the stream, the snapshots, and the first removals.
    faults.fail_commit(5, Failure::Unwritten);
    runtime.host::<Ledger>().delete("alice", reuse).without_waiting().await.unwrap_err();
    drop(runtime);
    let reader = memory::reopen(contents).reader;
    let page = reader.read_log(Position::NONE, PageLimit::default()).unwrap();
    let gone = page.commits.iter().filter(|commit| commit.gone() == Some(Gone::Removed)).count();
    assert_eq!((gone, page.commits.len()), (32, 102));
}

/// Opens the runtime on a store whose commits are held, so that the deletion does not continue.
async fn open_held(contents: &Arc<Contents>) -> (Runtime, fault::Hold) {
    let (store, faults): (_, Faults) = fault::over(memory::reopen(contents));
    let hold = faults.hold();
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    (runtime, until_held(hold).await)
}

/// A process was killed while it removed the events of an aggregate. Views that started when it was opened again
/// found the later events without the first ones, and kept a sum that the aggregate never had.
#[tokio::test(flavor = "multi_thread")]
async fn views_that_start_after_a_kill_within_a_deletion_have_nothing_of_the_stream() {
    let contents = Arc::<Contents>::default();
    killed_within_a_deletion(&contents, Reuse::Never).await;
    let (runtime, hold) = open_held(&contents).await;
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
    let rows = runtime.keyed::<Sums>("sums").on::<Ledger>().start().await.unwrap();
    runtime.caught_up(Duration::from_secs(60)).await.unwrap();
    assert_eq!(sum.read(|sum| sum.0), 1);
    assert_eq!((rows.get("alice").unwrap(), rows.get("bob").unwrap()), (None, Some(1)));
    let past = runtime.keyed::<Sums>("past").on::<Ledger>().as_of(Position::new(90)).await.unwrap();
    assert_eq!(past.get("alice").unwrap(), None);
    hold.release();
}

/// The same for handlers: letters were sent for the last events of an aggregate, and none for the first.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_start_after_a_kill_within_a_deletion_receive_nothing_of_the_stream() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    // Its checkpoint exists, so that it needs no commit to start.
    let early =
        runtime.subscribe("letters").on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) });
    early.after(Position::NONE).start().await.unwrap().stop().await;
    drop(runtime);
    killed_within_a_deletion(&contents, Reuse::Never).await;
    let (runtime, hold) = open_held(&contents).await;
    let heard = Heard::default();
    let writes = heard.clone();
    let letters = runtime.subscribe("letters").on(move |event: Envelope<Ledger>| {
        writes.note(event.id.as_str());
        async { Ok::<_, String>(()) }
    });
    let letters = letters.start().await.unwrap();
    letters.wait_for_within(runtime.head(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(heard.all(), ["bob"]);
    hold.release();
}

/// The aggregate itself begins from scratch, or stays deleted, in the middle of the removal.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_loaded_after_a_kill_within_its_deletion_has_the_default_state() {
    for reuse in [Reuse::Allowed, Reuse::Never] {
        let contents = Arc::<Contents>::default();
        killed_within_a_deletion(&contents, reuse).await;
        let (runtime, hold) = open_held(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        assert_eq!(ledgers.query("alice", |ledger| ledger.total).await.unwrap(), 0);
        hold.release();
        let added = ledgers.execute("alice", Command::Add(7)).await;
        match reuse {
            Reuse::Allowed => assert_eq!(added.unwrap().version.get(), 102),
            Reuse::Never => {
                let refused = added.unwrap_err();
                assert!(
                    matches!(refused.failure(), Some(actuarius::Failure::Deleted)),
                    "{refused}"
                );
            }
        }
    }
}

/// Events of an aggregate had been read for a slow handler when the aggregate was deleted. The handler received those
/// that were decoded, and none that was to be retried: later ones without earlier ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_receives_no_event_of_a_deleted_stream_that_was_read_before() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, "bob", 1).await;
    add(&runtime, "alice", 3).await;
    add(&runtime, "carol", 1).await;
    let (heard, gate) = (Heard::default(), Arc::new(Semaphore::new(0)));
    let letters = runtime.subscribe("letters").workers(1).on({
        let (heard, gate) = (heard.clone(), gate.clone());
        move |event: Envelope<Ledger>| {
            heard.note(event.id.as_str());
            let gate = gate.clone();
            async move { gate.acquire().await.map(SemaphorePermit::forget) }
        }
    });
    let letters = letters.start().await.unwrap();
    eventually(|| heard.all() == ["bob"]).await;
    runtime.host::<Ledger>().delete("alice", Reuse::Never).without_waiting().await.unwrap();
    gate.add_permits(5);
    letters.wait_for_within(runtime.head(), LONG).await.unwrap();
    assert_eq!(heard.all(), ["bob", "carol"]);
}
