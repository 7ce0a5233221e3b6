//! A running subscription: catching up, filters, several types, several handlers and headers.

use std::sync::{Arc, Mutex};

use actuarius::error::BoxError;
use actuarius::{Envelope, Metadata, Runtime};

use super::scene::{LONG, Scribe, add, caught_up, log, mailer, stored};
use crate::common::{Bell, Command, Event, Ledger, eventually, join_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_catches_up_and_follows_live_without_a_gap_or_a_repeat() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let write = |client: i64, ledgers: actuarius::Aggregates<Ledger>| async move {
        for number in 0..150 {
            let id = format!("{}", (client + number) % 7);
            let amounts = (0..=number % 3).map(|part| client * 1_000 + number * 4 + part);
            ledgers.execute(&*id, Command::AddAll(amounts.collect())).await.unwrap();
        }
    };
    join_all((0..4).map(|client| write(client, ledgers.clone()))).await;

    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    join_all((4..8).map(|client| write(client, ledgers.clone()))).await;
    caught_up(&runtime, &mailer).await;

    assert_eq!(scribe.heard(), log(&runtime));
    assert_eq!((mailer.position(), mailer.lag()), (runtime.head(), 0));
}

#[tokio::test]
async fn the_position_is_durable_soon_after_the_last_event() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let last = add(&ledgers, "a", &[1, 2, 3]).await;
    mailer.wait_for_within(last, LONG).await.unwrap();
    eventually(|| stored(&runtime) == last.get()).await;
    assert_eq!(runtime.head(), last, "a checkpoint is not an event");
}

#[tokio::test]
async fn only_the_requested_event_types_are_handled_and_others_are_skipped() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let builder = runtime.subscribe("mailer").on_only(["Added"], scribe.handler());
    let mailer = builder.start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    let passed = ledgers.execute("a", Command::Blob(10)).await.unwrap().position;
    mailer.wait_for_within(passed, LONG).await.unwrap();
    assert_eq!(scribe.amounts(), [1]);
    mailer.stop().await;
    assert_eq!(stored(&runtime), passed.get());
}

#[tokio::test]
async fn only_the_first_matching_handler_receives_an_event() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tell = |who: &'static str| {
        let heard = heard.clone();
        move |event: Envelope<Ledger>| {
            heard.lock().unwrap().push((who, event.header.event_type));
            async { Ok::<(), BoxError>(()) }
        }
    };
    let builder = runtime.subscribe("mailer").on_only(["Blob"], tell("first")).on(tell("second"));
    let mailer = builder.start().await.unwrap();
    ledgers.execute("a", Command::Blob(1)).await.unwrap();
    add(&ledgers, "a", &[1]).await;
    caught_up(&runtime, &mailer).await;
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard, [("first", "Blob".to_owned()), ("second", "Added".to_owned())]);
}

async fn rings(event: Envelope<Bell>) -> Result<(), std::io::Error> {
    assert_eq!(event.id.as_str(), "big");
    Ok(())
}

#[tokio::test]
async fn several_aggregate_types_are_followed_in_the_order_of_the_log() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let (ledgers, bells) = (runtime.host::<Ledger>(), runtime.host::<Bell>());
    let mailer = mailer(&runtime, &scribe).on(rings).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    bells.execute("big", ()).await.unwrap();
    add(&ledgers, "a", &[2]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 2]);
    assert!(mailer.parked().await.is_empty());
}

#[tokio::test]
async fn a_handler_sees_the_whole_header() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let heard = Arc::new(Mutex::new(None));
    let remember = heard.clone();
    let handler = move |event: Envelope<Ledger>| {
        *remember.lock().unwrap() = Some(event);
        async { Ok::<(), BoxError>(()) }
    };
    let mailer = runtime.subscribe("mailer").on(handler).start().await.unwrap();
    let metadata = Metadata { user: Some("ada".to_owned()), ..Metadata::default() };
    let receipt = ledgers.execute("a", Command::Add(7)).metadata(metadata).await.unwrap();
    caught_up(&runtime, &mailer).await;
    let event = heard.lock().unwrap().take().unwrap();
    assert_eq!((event.id.as_str(), &event.event), ("a", &Event::Added(7)));
    assert_eq!(event.header.position, receipt.position);
    assert_eq!(event.header.command_id, receipt.command_id);
    assert_eq!(event.header.metadata.user.as_deref(), Some("ada"));
}
