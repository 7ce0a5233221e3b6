//! The order of events per key with many workers, and the bounds of events in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actuarius::error::BoxError;
use actuarius::subscription::RawEvent;
use actuarius::{Envelope, Runtime};
use tokio::sync::Semaphore;

use super::scene::{Heard, Inside, Scribe, add, at_once, caught_up, log, mailer, stored};
use crate::common::{Command, Event, Ledger, eventually, join_all, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_keep_the_order_of_each_key_and_their_maximum() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let everyone = Arc::new(Inside::default());
    let by_key: Arc<HashMap<String, Inside>> =
        Arc::new((0..5).map(|key| (key.to_string(), Inside::default())).collect());

    let gate = Arc::new(Semaphore::new(0));
    let (remember, all, each) = (heard.clone(), everyone.clone(), by_key.clone());
    let waits = gate.clone();
    let handler = move |event: Envelope<Ledger>| {
        let (remember, all, each) = (remember.clone(), all.clone(), each.clone());
        let waits = waits.clone();
        async move {
            let id = event.id.as_str().to_owned();
            all.enter();
            each[&id].enter();
            let _ = waits.acquire().await;
            for _ in 0..event.header.position.get() % 5 {
                tokio::task::yield_now().await;
            }
            if let Event::Added(amount) = event.event {
                let position = event.header.position.get();
                remember.lock().unwrap().push(Heard { id: id.clone(), amount, position });
            }
            each[&id].leave();
            all.leave();
            Ok::<(), BoxError>(())
        }
    };
    let mailer = runtime.subscribe("mailer").on(handler).workers(3).start().await.unwrap();
    let write = |key: u64, ledgers: actuarius::Aggregates<Ledger>| async move {
        for amount in 0..200 {
            ledgers.execute(&*key.to_string(), Command::Add(amount)).await.unwrap();
        }
    };
    join_all((0..5).map(|key| write(key, ledgers.clone()))).await;
    // All workers are busy, and continue together.
    eventually(|| everyone.now() == 3).await;
    gate.close();
    caught_up(&runtime, &mailer).await;

    assert_eq!(everyone.most(), 3);
    let heard = heard.lock().unwrap().clone();
    for (key, inside) in &*by_key {
        assert_eq!(inside.most(), 1);
        let of_key = |events: &[Heard]| -> Vec<_> {
            events.iter().filter(|event| event.id == *key).cloned().collect()
        };
        assert_eq!(of_key(&heard), of_key(&log(&runtime)));
    }
}

#[tokio::test]
async fn a_slow_key_blocks_no_other_and_the_checkpoint_never_passes_it() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(2);
    let mailer = mailer(&runtime, &scribe).workers(2).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    add(&ledgers, "slow", &[2, 3]).await;
    add(&ledgers, "b", &[4, 5, 6]).await;

    eventually(|| scribe.amounts() == [1, 4, 5, 6]).await;
    eventually(|| stored(&runtime) == 1).await;
    assert_eq!(mailer.position().get(), 1);

    scribe.let_go(2);
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [1, 4, 5, 6, 2, 3]);
}

#[tokio::test]
async fn events_of_different_aggregates_with_the_same_key_are_handled_in_order() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(1);
    let by_letter = |event: &RawEvent<'_>| event.id()[..1].to_owned();
    let builder = mailer(&runtime, &scribe).workers(4).ordered_by(by_letter);
    let mailer = builder.start().await.unwrap();
    add(&ledgers, "a1", &[1]).await;
    add(&ledgers, "a2", &[2]).await;
    add(&ledgers, "b1", &[3]).await;
    eventually(|| scribe.amounts() == [3]).await;
    scribe.let_go(1);
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [3, 1, 2]);
}

#[tokio::test]
async fn a_key_may_be_taken_from_the_event_itself() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.hold(10);
    let by_parity =
        |event: &RawEvent<'_>| match event.decode::<Ledger>().unwrap().next().map(|it| it.event) {
            Some(Event::Added(amount)) if amount % 2 == 0 => "even",
            _ => "odd",
        };
    let builder = mailer(&runtime, &scribe).workers(4).ordered_by(by_parity);
    let mailer = builder.start().await.unwrap();
    ledgers.execute("a", Command::AddAll(vec![10, 11, 12, 13])).await.unwrap();
    eventually(|| scribe.amounts() == [11, 13]).await;
    scribe.let_go(10);
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [11, 13, 10, 12]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscription_keeps_a_bounded_number_of_events_and_slows_no_command() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let (gate, inside) = (Arc::new(Semaphore::new(0)), Arc::new(Inside::default()));
    let (waits, counts) = (gate.clone(), inside.clone());
    let handler = move |_: Envelope<Ledger>| {
        let (waits, counts) = (waits.clone(), counts.clone());
        async move {
            counts.enter();
            let _ = waits.acquire().await;
            counts.leave();
            Ok::<(), BoxError>(())
        }
    };
    let builder = runtime.subscribe("mailer").on(handler).workers(100_000).retry(at_once());
    let mailer = builder.start().await.unwrap();

    // All commands are answered, although no event is finished.
    let commands: Vec<_> =
        (0..3_000).map(|id| send(ledgers.execute(&*id.to_string(), Command::Add(1)))).collect();
    for command in commands {
        command.await.unwrap();
    }
    eventually(|| inside.now() == 1_024).await;
    assert_eq!((mailer.position().get(), mailer.lag()), (0, 3_000));

    gate.close();
    caught_up(&runtime, &mailer).await;
    assert_eq!(inside.most(), 1_024);
}

#[tokio::test]
async fn a_command_with_more_events_than_fit_in_flight_is_handled_completely_and_in_order() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::AddAll((0..5_000).collect())).await.unwrap();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), (0..5_000).collect::<Vec<_>>());
}
