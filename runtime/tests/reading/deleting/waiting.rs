//! A deletion waits for the followers that have not finished the events of the aggregate, or names them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::error::LaggingFollower;
use actuarius::health::FollowerStatus;
use actuarius::operations::Reuse;
use actuarius::projection::Projection;
use actuarius::store::memory::Contents;
use actuarius::subscription::{OnPoison, Retry};
use actuarius::{Aggregates, Envelope, Failure, Runtime, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Heard, Sums, add};
use crate::common::{Bell, Command, Ledger, eventually, is_waiting, open_on, send};

const LONG: Duration = Duration::from_secs(600);

/// Tries to delete `alice` without any time to wait, and returns who has not finished her events.
async fn refused(ledgers: &Aggregates<Ledger>) -> Vec<LaggingFollower> {
    let deleting = ledgers.delete("alice", Reuse::Never).waits_at_most(Duration::ZERO);
    match deleting.await.unwrap_err() {
        Failure::FollowersLag { followers, .. } => followers,
        other => panic!("{other}"),
    }
}

/// The last letter to a customer was never sent: the aggregate was deleted while the subscription was stopped, and
/// with it the event that the letter was about.
#[tokio::test]
async fn a_deletion_is_refused_while_a_stopped_subscription_has_not_finished_its_last_event() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    let letters = || {
        let heard = heard.clone();
        runtime.subscribe("letters").on(move |event: Envelope<Ledger>| {
            heard.note(event.header.version.to_string());
            async { Ok::<_, String>(()) }
        })
    };
    let running = letters().start().await.unwrap();
    add(&runtime, "alice", 2).await;
    running.wait_for(runtime.head()).await.unwrap();
    running.stop().await;
    add(&runtime, "alice", 1).await;
    let lagging = refused(&ledgers).await;
    assert_eq!((lagging.len(), &*lagging[0].name), (1, "letters"));
    assert_eq!((lagging[0].position.get(), &lagging[0].status), (2, &FollowerStatus::Stopped));
    assert!(ledgers.exists("alice").await.unwrap(), "nothing was deleted");
    assert!(runtime.reader().unwrap().notes(b"deleting/", None, 1).unwrap().is_empty());

    letters().start().await.unwrap();
    let deleted = ledgers.delete("alice", Reuse::Never).await.unwrap();
    assert_eq!((deleted.version, deleted.commits), (Version::new(4), 3));
    assert_eq!(heard.all(), ["1", "2", "3"]);
}

/// A job deleted customers and sent each deletion again while the failure said that this may succeed. One view had halted
/// at night, so the job tried the same deletion until the morning.
#[tokio::test]
async fn a_deletion_is_retryable_unless_a_follower_waits_for_an_operator() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (ledgers, gate) = (runtime.host::<Ledger>(), Arc::new(Semaphore::new(0)));
    let (slow, stopped) = (gate.clone(), || {
        runtime.subscribe("stopped").on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) })
    });
    let slow = runtime.subscribe("slow").on(move |_: Envelope<Ledger>| {
        let gate = slow.clone();
        async move { gate.acquire().await.map(SemaphorePermit::forget) }
    });
    let slow = slow.start().await.unwrap();
    let other = stopped().start().await.unwrap();
    add(&runtime, "alice", 1).await;
    other.wait_for(runtime.head()).await.unwrap();
    let is_retryable = || async {
        let deleting = ledgers.delete("alice", Reuse::Never).waits_at_most(Duration::ZERO);
        deleting.await.unwrap_err().is_retryable()
    };
    assert!(is_retryable().await, "the slow one is at work");
    let pausing = slow.pause();
    gate.add_permits(1);
    pausing.await;
    add(&runtime, "alice", 1).await;
    other.wait_for(runtime.head()).await.unwrap();
    assert!(!is_retryable().await, "an operator must resume it");
    slow.resume();
    eventually(|| slow.status() != FollowerStatus::Paused).await;
    assert!(is_retryable().await, "it continues");
    gate.add_permits(100);
    slow.wait_for(runtime.head()).await.unwrap();
    other.stop().await;
    add(&runtime, "alice", 1).await;
    assert!(!is_retryable().await, "an operator must start it");
    stopped().start().await.unwrap();
    ledgers.delete("alice", Reuse::Never).waits_at_most(LONG).await.unwrap();
}

/// A subscription that is never started again must not hold up deletions for good.
#[tokio::test]
async fn a_discarded_subscription_and_one_of_another_type_hold_up_no_deletion() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let old = || runtime.subscribe("old").on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) });
    let bells = runtime.subscribe("bells").on(|_: Envelope<Bell>| async { Ok::<_, String>(()) });
    bells.start().await.unwrap().stop().await;
    let running = old().start().await.unwrap();
    assert!(old().discard().await.is_err(), "it runs");
    running.stop().await;
    add(&runtime, "alice", 1).await;
    assert_eq!(refused(&ledgers).await.len(), 1);
    old().discard().await.unwrap();
    ledgers.delete("alice", Reuse::Never).await.unwrap();
}

/// A view that panics until it is repaired.
#[derive(Default, Serialize, Deserialize)]
struct Fragile(u64);

static BROKEN: AtomicBool = AtomicBool::new(true);

impl Projection<Ledger> for Fragile {
    fn project(&mut self, _: &Envelope<Ledger>) {
        if BROKEN.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("broken"));
        }
        self.0 += 1;
    }
}

/// A view halted at an event, and the aggregate of that event was deleted before it was repaired: its row never had the
/// last events.
#[tokio::test]
async fn a_deletion_names_a_halted_view_and_waits_once_it_is_repaired() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let retry = Retry::default().attempts(1);
    let view = runtime.projection::<Fragile>("fragile").on::<Ledger>().retry(retry);
    let view = view.start().await.unwrap();
    add(&runtime, "alice", 3).await;
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    // It does not wait for what does not move.
    let deleting = ledgers.delete("alice", Reuse::Never).waits_at_most(LONG).await;
    let Failure::FollowersLag { position, followers } = deleting.unwrap_err() else {
        panic!("another failure")
    };
    assert_eq!((position.get(), followers.len(), followers[0].position.get()), (3, 1, 0));
    let halted = Failure::FollowersLag { position, followers: followers.clone() };
    assert!(!halted.is_retryable(), "an operator must repair it");
    assert!(matches!(followers[0].status, FollowerStatus::Halted { .. }));
    BROKEN.store(false, Ordering::SeqCst);
    view.resume();
    ledgers.delete("alice", Reuse::Never).waits_at_most(LONG).await.unwrap();
    assert_eq!(view.read(|view| view.0), 3);
}

/// A rebuild had taken the first half of a stream when the rest was removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_events_that_come_meanwhile_and_for_rebuilds() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let slow = runtime.keyed::<Sums>("sums").on::<Ledger>().start().await.unwrap();
    slow.pause().await;
    add(&runtime, "alice", 3).await;
    let mut deleting = send(ledgers.delete("alice", Reuse::Never).waits_at_most(LONG));
    assert!(is_waiting(&mut deleting));
    add(&runtime, "alice", 2).await;
    assert!(is_waiting(&mut deleting));
    slow.resume();
    let deleted = deleting.await.unwrap();
    assert_eq!((deleted.version, deleted.commits), (Version::new(6), 5));
    slow.wait_for(runtime.head()).await.unwrap();
    assert_eq!(slow.get("alice").unwrap(), Some(5));

    add(&runtime, "bob", 5_000).await;
    let rebuild = slow.rebuild();
    ledgers.delete("bob", Reuse::Never).waits_at_most(LONG).await.unwrap();
    rebuild.await.unwrap();
    let bob = slow.get("bob").unwrap();
    assert!([None, Some(5_000)].contains(&bob), "all or nothing, whichever was first: {bob:?}");
    assert_eq!(slow.get("alice").unwrap(), None, "it was rebuilt after the deletion");
}

/// The law may demand an erasure now, although a follower has not received the last event.
#[tokio::test]
async fn a_deletion_without_waiting_leaves_a_follower_with_what_it_has() {
    let (contents, heard) = (Arc::<Contents>::default(), Heard::default());
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    let writes = heard.clone();
    let letters = runtime.subscribe("letters").on(move |event: Envelope<Ledger>| {
        writes.note(event.header.position.to_string());
        async { Ok::<_, String>(()) }
    });
    let letters = letters.on_poison(OnPoison::Halt).start().await.unwrap();
    add(&runtime, "alice", 1).await;
    letters.wait_for(runtime.head()).await.unwrap();
    letters.pause().await;
    add(&runtime, "alice", 2).await;
    ledgers.execute("bob", Command::Add(1)).await.unwrap();
    assert_eq!(refused(&ledgers).await.len(), 1);
    ledgers.delete("alice", Reuse::Never).without_waiting().await.unwrap();
    letters.resume();
    letters.wait_for(runtime.head()).await.unwrap();
    assert_eq!(heard.all(), ["1", "4"]);
}
