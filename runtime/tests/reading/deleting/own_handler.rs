//! A handler deletes an aggregate of a type that its subscription follows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::operations::Reuse;
use actuarius::{Envelope, Failure, Runtime};

use super::{Heard, add};
use crate::common::Ledger;

const LONG: Duration = Duration::from_secs(600);

/// An account was to be deleted once its last event was handled. The deletion waited for the handler, which waited for
/// the deletion, until its time was over: it never succeeded.
#[tokio::test]
async fn a_handler_deletes_the_aggregate_whose_event_it_handles() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let (ledgers, deleted) = (runtime.host::<Ledger>(), Arc::new(Mutex::new(Vec::new())));
    let (deletes, ends, writes) = (ledgers.clone(), deleted.clone(), heard.clone());
    let closing = runtime.subscribe("closing").on(move |event: Envelope<Ledger>| {
        let (ledgers, deleted, heard) = (deletes.clone(), ends.clone(), writes.clone());
        async move {
            heard.note(event.header.position.to_string());
            let version = ledgers.delete("alice", Reuse::Never).waits_at_most(LONG).await?.version;
            deleted.lock().unwrap().push(version.get());
            Ok::<_, Failure>(())
        }
    });
    let other = runtime.subscribe("other").on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) });
    let other = other.start().await.unwrap();
    add(&runtime, "alice", 1).await;
    let closing = closing.start().await.unwrap();
    closing.wait_for(runtime.head()).await.unwrap();
    assert!(!ledgers.exists("alice").await.unwrap());
    assert_eq!((heard.all(), deleted.lock().unwrap().clone()), (vec!["1".to_owned()], vec![2]));
    other.wait_for(runtime.head()).await.unwrap();
}

/// The exemption is of the subscription whose handler deletes. Another one that has not finished the events is waited
/// for all the same.
#[tokio::test]
async fn a_handler_waits_for_the_other_followers() {
    let runtime = Runtime::in_memory().await.unwrap();
    let (ledgers, refused) = (runtime.host::<Ledger>(), Heard::default());
    let (deletes, writes) = (ledgers.clone(), refused.clone());
    let closing = runtime.subscribe("closing").on(move |_: Envelope<Ledger>| {
        let (ledgers, refused) = (deletes.clone(), writes.clone());
        async move {
            let deleting = ledgers.delete("alice", Reuse::Never).waits_at_most(Duration::ZERO);
            if let Err(Failure::FollowersLag { followers, .. }) = deleting.await {
                followers.iter().for_each(|it| refused.note(&*it.name));
            }
            Ok::<_, Failure>(())
        }
    });
    let other = runtime.subscribe("other").on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) });
    let other = other.start().await.unwrap();
    other.pause().await;
    add(&runtime, "alice", 1).await;
    let closing = closing.start().await.unwrap();
    closing.wait_for(runtime.head()).await.unwrap();
    assert_eq!(refused.all(), ["other"]);
    assert!(ledgers.exists("alice").await.unwrap());
}
