//! Views and subscriptions react to the end of a stream, whenever they start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::operations::Reuse;
use actuarius::projection::{Database, DeletedAggregate, EventBatch};
use actuarius::subscription::RawEvent;
use actuarius::{Envelope, Position, Runtime};

use super::{Heard, Sums, add};
use crate::common::{Command, Ledger, Sum};

/// A view showed an account that was deleted while the view was stopped. A view that was built later did not show it.
#[tokio::test]
async fn a_view_that_reacts_to_the_end_is_the_same_whether_it_lived_through_it_lagged_or_starts_later()
 {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let sums = |name: &str| {
        let sums = runtime.keyed::<Sums>(name).on::<Ledger>();
        sums.on_deleted::<Ledger>(|rows, deleted| rows.remove(deleted.id.as_str()))
    };
    let live = sums("live").start().await.unwrap();
    let lagging = sums("lagging").start().await.unwrap();
    add(&runtime, "alice", 3).await;
    add(&runtime, "bob", 1).await;
    lagging.wait_for(runtime.head()).await.unwrap();
    assert_eq!(lagging.get("alice").unwrap(), Some(3));
    lagging.stop().await;
    drop(lagging);
    add(&runtime, "alice", 1).await;
    ledgers.delete("alice", Reuse::Allowed).await.unwrap();
    let (later, lagged) = (sums("later").start().await, sums("lagging").start().await);
    let views = [live, later.unwrap(), lagged.unwrap()];
    for view in &views {
        view.wait_for(runtime.head()).await.unwrap();
        assert_eq!((view.get("alice").unwrap(), view.get("bob").unwrap()), (None, Some(1)));
    }
    views[0].rebuild().await.unwrap();
    assert_eq!((views[0].get("alice").unwrap(), views[0].get("bob").unwrap()), (None, Some(1)));
    let past = sums("past").as_of(runtime.head()).await.unwrap();
    assert_eq!(past.get("alice").unwrap(), None);

    add(&runtime, "alice", 1).await;
    views[0].wait_for(runtime.head()).await.unwrap();
    assert_eq!(views[0].get("alice").unwrap(), Some(1), "its id is used again");
}

/// A view in memory may follow nothing but ends.
#[tokio::test]
async fn a_view_in_memory_reacts_to_ends_and_knows_whether_the_id_is_reusable() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let ended = runtime.projection::<Sum>("ended").on_deleted(
        |sum: &mut Sum, deleted: &DeletedAggregate<Ledger>| {
            sum.0 += if deleted.is_reusable { 1 } else { 100 };
        },
    );
    let ended = ended.start().await.unwrap();
    for (id, reuse) in [("alice", Reuse::Allowed), ("bob", Reuse::Never)] {
        add(&runtime, id, 2).await;
        ledgers.delete(id, reuse).await.unwrap();
    }
    ended.wait_for(runtime.head()).await.unwrap();
    assert_eq!(ended.read(|sum| sum.0), 101);
}

/// The key function of a subscription decoded each event and panicked at the end of a stream, which decodes to none: it
/// was parked, although no handler had asked for it.
#[tokio::test]
async fn a_subscription_receives_ends_only_if_it_reacts_to_them() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    let by_amount = |event: &RawEvent<'_>| {
        let envelope = event.decode::<Ledger>().unwrap().next().expect("an event");
        format!("{:?}", envelope.event)
    };
    let writes = heard.clone();
    let plain =
        runtime.subscribe("plain").ordered_by(by_amount).on(move |event: Envelope<Ledger>| {
            writes.note(format!("plain {:?}", event.event));
            async { Ok::<_, String>(()) }
        });
    let plain = plain.start().await.unwrap();
    let writes = heard.clone();
    let reacting = runtime
        .subscribe("reacting")
        .on_only::<Ledger>(["Blob"], |_: Envelope<Ledger>| async { Err::<(), _>("there is none") });
    let reacting = reacting.on_deleted(move |deleted: DeletedAggregate<Ledger>| {
        writes.note(format!("the end of {} at {}", deleted.id, deleted.header.position));
        async { Ok::<_, BoxError>(()) }
    });
    let reacting = reacting.start().await.unwrap();
    add(&runtime, "alice", 1).await;
    ledgers.delete("alice", Reuse::Never).await.unwrap();
    for subscription in [&plain, &reacting] {
        subscription.wait_for(runtime.head()).await.unwrap();
        assert!(subscription.parked().await.is_empty());
    }
    let mut all = heard.all();
    all.sort();
    assert_eq!(all, ["plain Added(1)", "the end of alice at 2"]);
}

/// A database that remembers the event types of each batch.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<(Position, Vec<String>)>>);

impl Database for Names {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(self.0.lock().unwrap().0)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let mut stored = self.0.lock().unwrap();
        for event in batch.events() {
            assert_eq!(event.is_deletion(), event.decode::<Ledger>()?.next().is_none());
            stored.1.push(event.event_type().to_owned());
        }
        stored.0 = batch.position();
        Ok(())
    }
}

/// The same for a database.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_handed_ends_only_if_it_asks_for_them() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let (plain, all, ends) = (Names::default(), Names::default(), Names::default());
    let started = [
        runtime.database("plain", plain.clone()).on::<Ledger>().start().await.unwrap(),
        runtime
            .database("all", all.clone())
            .on::<Ledger>()
            .on_deleted::<Ledger>()
            .start()
            .await
            .unwrap(),
        runtime.database("ends", ends.clone()).on_deleted::<Ledger>().start().await.unwrap(),
    ];
    ledgers.execute("alice", Command::Add(1)).await.unwrap();
    ledgers.delete("alice", Reuse::Never).await.unwrap();
    for database in &started {
        database.wait_for_within(runtime.head(), Duration::from_secs(60)).await.unwrap();
    }
    let names = |it: &Names| it.0.lock().unwrap().1.clone();
    assert_eq!(names(&plain), ["Added"]);
    assert_eq!(names(&all), ["Added", "$deleted"]);
    assert_eq!(names(&ends), ["$deleted"]);
}
