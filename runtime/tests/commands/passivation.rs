//! Passivation never loses, doubles or reorders a command.

use std::time::Duration;

use actuarius::{Hosting, Runtime, Version};

use crate::common::{Command, Ledger, eventually, join_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_aggregate_is_passivated_and_loaded_again_with_the_same_state() {
    let runtime = Runtime::in_memory().await.unwrap();
    let hosting = Hosting::default().passivate_after(Duration::from_millis(1));
    let ledgers = runtime.host_with::<Ledger>(hosting);
    ledgers.execute("a", Command::Add(5)).await.unwrap();
    eventually(|| ledgers.resident() == 0).await;
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 5);
    assert_eq!(ledgers.execute("a", Command::Add(1)).await.unwrap().version, Version::new(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_recently_used_aggregates_are_passivated_first() {
    let runtime = Runtime::in_memory().await.unwrap();
    let hosting = Hosting::default().never_passivate().resident_limit(3);
    let ledgers = runtime.host_with::<Ledger>(hosting);
    for id in ["a", "b", "c"] {
        ledgers.execute(id, Command::Add(1)).await.unwrap();
    }
    // "a" is used again, so "b" is now the least recently used one.
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    ledgers.execute("d", Command::Add(1)).await.unwrap();
    eventually(|| ledgers.resident() == 3).await;
    assert!(!ledgers.passivate("b").unwrap(), "b was passivated");
    for id in ["a", "c", "d"] {
        assert!(ledgers.passivate(id).unwrap(), "{id} is still loaded");
    }
}

/// Runs commands with explicit passivation, a tiny idle time and a limit of ten loaded aggregates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_runs_exactly_once_and_in_order_during_passivation() {
    const CLIENTS: i64 = 64;
    const TURNS: i64 = 200;
    let runtime = Runtime::in_memory().await.unwrap();
    let hosting = Hosting::default()
        .passivate_after(Duration::from_millis(1))
        .resident_limit(10)
        .snapshot_every(3);
    let ledgers = runtime.host_with::<Ledger>(hosting);
    let clients = (0..CLIENTS).map(|client| {
        let ledgers = ledgers.clone();
        async move {
            for turn in 0..TURNS {
                // Each client uses all aggregates, so that all clients meet on each of them.
                let id = format!("{}", (client + turn) % 40);
                let entry = client * 1_000 + turn;
                ledgers.execute(&id, Command::Add(entry)).await.unwrap();
                if turn % 3 == 0 {
                    ledgers.passivate(&id).unwrap();
                }
            }
        }
    });
    join_all(clients).await;
    let mut seen = Vec::new();
    for id in 0..40 {
        let entries = ledgers.query(id.to_string(), |it| it.entries.clone()).await.unwrap();
        for client in 0..CLIENTS {
            let of_client: Vec<_> = entries.iter().filter(|it| *it / 1_000 == client).collect();
            assert!(of_client.is_sorted(), "client {client} sees its commands in order");
        }
        seen.extend(entries);
    }
    seen.sort_unstable();
    let all = (0..CLIENTS).flat_map(|client| (0..TURNS).map(move |turn| client * 1_000 + turn));
    assert!(seen.into_iter().eq(all), "each command once");
    eventually(|| ledgers.resident() <= 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passivated_aggregate_is_recovered_from_its_snapshot() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for _ in 0..3 {
        ledgers.execute("a", Command::Add(1)).await.unwrap();
    }
    ledgers.passivate("a").unwrap();
    eventually(|| ledgers.resident() == 0).await;
    let stream = actuarius::StreamId::new("ledger", "a").unwrap();
    let reader = runtime.reader().unwrap();
    eventually(|| reader.snapshot(&stream, None).unwrap().is_some()).await;
    let snapshot = reader.snapshot(&stream, None).unwrap().unwrap();
    assert_eq!(snapshot.version, Version::new(3));
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 3);
}

/// An aggregate that is requested again while it is being passivated stays loaded, and must be
/// counted as loaded. Otherwise the limit would rise each time. Idle passivation is off here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_holds_after_many_aggregates_were_requested_during_their_passivation() {
    let runtime = Runtime::in_memory().await.unwrap();
    let hosting = Hosting::default().never_passivate().resident_limit(10);
    let ledgers = runtime.host_with::<Ledger>(hosting);
    let clients = (0..64).map(|client| {
        let ledgers = ledgers.clone();
        async move {
            for turn in 0..200 {
                let id = ((client * 7 + turn * 3) % 40).to_string();
                ledgers.execute(&id, Command::Add(1)).await.unwrap();
            }
        }
    });
    join_all(clients).await;
    eventually(|| ledgers.resident() <= 10).await;
    for id in 100..200 {
        ledgers.execute(id.to_string(), Command::Add(1)).await.unwrap();
    }
    eventually(|| ledgers.resident() <= 10).await;
    assert_eq!(runtime.head().get(), 64 * 200 + 100);
}
