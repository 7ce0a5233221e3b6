//! Subscriptions get past events whose aggregate was deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::health::FollowerStatus;
use actuarius::operations::Reuse;
use actuarius::subscription::{OnPoison, Retry, SubscriptionBuilder};
use actuarius::{Envelope, Runtime};
use tokio_stream::StreamExt;

use super::{Heard, add};
use crate::common::{Command, Event, Ledger, eventually};

/// A subscription that refuses the blobs.
fn letters(runtime: &Runtime, heard: &Heard) -> SubscriptionBuilder {
    let heard = heard.clone();
    let letters = runtime.subscribe("letters").on(move |event: Envelope<Ledger>| {
        let refused = matches!(event.event, Event::Blob(_));
        if !refused {
            heard.note(format!("{} {}", event.id, event.header.version));
        }
        async move { if refused { Err("it is a blob") } else { Ok(()) } }
    });
    letters.retry(Retry::default().attempts(1))
}

/// A subscription halted at an event, and an operator deleted its aggregate, to get rid of it. Every `resume` halted at
/// the same place, because the event was not where it had been.
#[tokio::test]
async fn a_subscription_that_halted_at_a_deleted_event_continues_when_it_is_resumed() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    let letters = letters(&runtime, &heard).on_poison(OnPoison::Halt).start().await.unwrap();
    ledgers.execute("alice", Command::Blob(1)).await.unwrap();
    add(&runtime, "alice", 1).await;
    eventually(|| matches!(letters.status(), FollowerStatus::Halted { .. })).await;
    ledgers.delete("alice", Reuse::Never).without_waiting().await.unwrap();
    add(&runtime, "bob", 1).await;
    letters.resume();
    letters.wait_for(runtime.head()).await.unwrap();
    // What was read before the deletion may be handled.
    assert_eq!(heard.all().last().unwrap(), "bob 1");
}

/// Parked events of a deleted aggregate failed at every retry, and held up the key for good. Then a retry passed over
/// them and counted them as handled: an operator read that four letters were sent, and one was.
#[tokio::test]
async fn a_retry_passes_over_parked_events_of_a_deleted_aggregate_and_frees_the_key() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    let letters = letters(&runtime, &heard).start().await.unwrap();
    ledgers.execute("alice", Command::Blob(1)).await.unwrap();
    add(&runtime, "alice", 2).await;
    letters.wait_for(runtime.head()).await.unwrap();
    assert_eq!(letters.parked_of("ledger/alice").await.len(), 3);
    ledgers.delete("alice", Reuse::Allowed).await.unwrap();
    add(&runtime, "alice", 1).await;
    letters.wait_for(runtime.head()).await.unwrap();
    // All four are finished, three of them without being handled.
    assert_eq!(letters.retry_parked("ledger/alice").await, Ok(1));
    assert!(letters.parked().await.is_empty());
    assert_eq!(heard.all(), ["alice 5"]);
}

/// A report on a retry of many keys added up events that no handler had received.
#[tokio::test]
async fn a_retry_of_many_keys_counts_only_what_was_handled() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    let (refusing, refuses) = (Arc::new(AtomicBool::new(true)), heard.clone());
    let is_refusing = refusing.clone();
    let letters = runtime.subscribe("letters").on(move |event: Envelope<Ledger>| {
        let is_refused = is_refusing.load(Ordering::SeqCst);
        if !is_refused {
            refuses.note(format!("{} {}", event.id, event.header.version));
        }
        async move { if is_refused { Err("not now") } else { Ok(()) } }
    });
    let letters = letters.retry(Retry::default().attempts(1)).start().await.unwrap();
    for id in ["alice", "bob", "carol"] {
        add(&runtime, id, 2).await;
    }
    letters.wait_for(runtime.head()).await.unwrap();
    ledgers.delete("alice", Reuse::Never).await.unwrap();
    ledgers.delete("carol", Reuse::Never).await.unwrap();
    refusing.store(false, Ordering::SeqCst);
    assert_eq!(letters.skip_parked("ledger/carol").await, Ok(0), "one is skipped, one is deleted");
    let retried: Vec<_> = letters.retry_all_parked(|_| true).collect().await;
    let mut counts: Vec<_> =
        retried.into_iter().map(|it| (it.key.to_string(), it.outcome)).collect();
    counts.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(counts, [("ledger/alice".to_owned(), Ok(0)), ("ledger/bob".to_owned(), Ok(2))]);
    assert_eq!(heard.all(), ["bob 1", "bob 2"]);
    assert!(letters.parked().await.is_empty());
}
