//! A subscription that receives more than before asks what to do about the events that it has passed.

use std::sync::Arc;

use actuarius::error::StartError;
use actuarius::operations::Reuse;
use actuarius::projection::DeletedAggregate;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Batch, Notes};
use actuarius::subscription::{Subscription, SubscriptionBuilder, Widening};
use actuarius::{Envelope, Runtime};

use super::{Heard, add};
use crate::common::{Bell, Command, Ledger, open_on};

fn letters(runtime: &Runtime, heard: &Heard, names: &[&str]) -> SubscriptionBuilder {
    let heard = heard.clone();
    let handle = move |event: Envelope<Ledger>| {
        heard.note(format!("{}", event.header.position));
        async { Ok::<_, String>(()) }
    };
    runtime.subscribe("letters").on_only::<Ledger>(names.iter().copied(), handle)
}

async fn finished(runtime: &Runtime, letters: Subscription) {
    letters.wait_for(runtime.head()).await.unwrap();
    letters.stop().await;
}

fn refused(started: Result<Subscription, StartError>) -> (u64, String) {
    match started {
        Err(StartError::Widened { position, events, .. }) => (position.get(), events),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has started"),
    }
}

/// Letters about closed accounts were added to a subscription. It had passed the accounts that were closed before, and
/// said nothing.
#[tokio::test]
async fn a_subscription_widened_by_an_event_type_is_refused_until_a_choice_is_made() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let ledgers = runtime.host::<Ledger>();
    finished(&runtime, letters(&runtime, &heard, &["Added"]).start().await.unwrap()).await;
    add(&runtime, "alice", 1).await;
    ledgers.execute("alice", Command::Blob(1)).await.unwrap();
    finished(&runtime, letters(&runtime, &heard, &["Added"]).start().await.unwrap()).await;
    assert_eq!(heard.all(), ["1"]);

    let both = || letters(&runtime, &heard, &["Added", "Blob"]);
    assert_eq!(refused(both().start().await), (2, "`Blob` of `ledger`".to_owned()));
    finished(&runtime, both().on_widening(Widening::FromHere).start().await.unwrap()).await;
    assert_eq!(heard.all(), ["1"]);
    ledgers.execute("alice", Command::Blob(1)).await.unwrap();
    // Once accepted, it is no widening any more.
    finished(&runtime, both().start().await.unwrap()).await;
    assert_eq!(heard.all(), ["1", "3"]);
    // Nor is a subscription that receives less, until it receives more again.
    finished(&runtime, letters(&runtime, &heard, &["Blob"]).start().await.unwrap()).await;
    refused(both().start().await);
    let again = both().on_widening(Widening::FromBeginning).start().await.unwrap();
    finished(&runtime, again).await;
    assert_eq!(heard.all(), ["1", "3", "1", "2", "3"]);
}

/// The same for another aggregate type, for the ends of streams, and for all events after some.
#[tokio::test]
async fn a_subscription_widened_by_a_type_or_by_ends_is_refused() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    add(&runtime, "alice", 1).await;
    runtime.host::<Ledger>().delete("alice", Reuse::Never).await.unwrap();
    let letters = || letters(&runtime, &heard, &["Added"]);
    finished(&runtime, letters().start().await.unwrap()).await;
    let bell = letters().on(|_: Envelope<Bell>| async { Ok::<_, String>(()) });
    assert_eq!(refused(bell.start().await).1, "all events of `bell`");
    let all = letters().on(|_: Envelope<Ledger>| async { Ok::<_, String>(()) });
    assert_eq!(refused(all.start().await).1, "all events of `ledger`");
    let ends = letters().on_deleted(|_: DeletedAggregate<Ledger>| async { Ok::<_, String>(()) });
    assert_eq!(refused(ends.start().await).1, "the deletions of `ledger`");
    finished(&runtime, letters().start().await.unwrap()).await;
}

/// A store of an earlier release has no record of what a subscription received: it is accepted, and recorded.
#[tokio::test]
async fn a_subscription_without_a_record_is_accepted_once() {
    let (contents, heard) = (Arc::<Contents>::default(), Heard::default());
    let (runtime, _) = open_on(&contents).await;
    finished(&runtime, letters(&runtime, &heard, &["Added"]).start().await.unwrap()).await;
    drop(runtime);
    let mut store = memory::reopen(&contents);
    let recorded = store.reader.notes(b"follows/letters/", None, 10).unwrap();
    assert_eq!(recorded.len(), 1);
    let mut notes = Notes::default();
    notes.remove(&recorded[0].key).unwrap();
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).unwrap();
    drop(store);
    let (runtime, _) = open_on(&contents).await;
    finished(&runtime, letters(&runtime, &heard, &["Added", "Blob"]).start().await.unwrap()).await;
    refused(letters(&runtime, &heard, &["Added", "Bomb"]).start().await);
}

/// A name that no variant has would never be handled.
#[tokio::test]
async fn a_name_that_no_variant_has_is_refused() {
    let (runtime, heard) = (Runtime::in_memory().await.unwrap(), Heard::default());
    let started = letters(&runtime, &heard, &["Added", "Subtracted"]).start().await;
    let Err(StartError::Schema { source, .. }) = started else { panic!("it has started") };
    assert!(source.to_string().contains("Subtracted"), "{source}");
}
