//! Metrics of a saga: the numbers of live, troubled and ended instances, and of pending commands.

use std::collections::BTreeMap;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::health::METRICS;
use actuarius::saga::InstanceStatus;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::bank::{AccountCommand, Order, Transfer, accounts, placed};

#[test]
fn instances_are_counted_by_status_and_outcome() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let mut threads = tokio::runtime::Builder::new_current_thread();
        threads.enable_all().build().expect("a runtime").block_on(one_of_each());
    });
    let mut figures = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (name, labels) = (key.key().name(), key.key().labels());
        if name.starts_with("actuarius_saga") {
            assert!(METRICS.iter().any(|(listed, ..)| *listed == name), "{name} is listed");
            let labels: Vec<_> = labels.map(|it| it.value().to_owned()).collect();
            figures.insert(format!("{name} {}", labels.join(" ")), value);
        }
    }
    let is = |key: &str, value: DebugValue| assert_eq!(figures[key], value, "{key}");
    is("actuarius_saga_ended_total transfer completed", DebugValue::Counter(1));
    is("actuarius_saga_ended_total transfer compensated", DebugValue::Counter(1));
    is("actuarius_saga_ended_total transfer failed", DebugValue::Counter(0));
    is("actuarius_saga_instances transfer live", DebugValue::Gauge(0.0.into()));
    is("actuarius_saga_instances transfer in_trouble", DebugValue::Gauge(0.0.into()));
    is("actuarius_saga_commands_under_way transfer", DebugValue::Gauge(0.0.into()));
}

async fn one_of_each() {
    let runtime = Runtime::in_memory().await.unwrap();
    let accounts = accounts(&runtime, &[("alice", 500), ("bob", 0), ("carol", 0)]).await;
    accounts.execute("carol", AccountCommand::Freeze).await.unwrap();
    let saga = runtime.saga::<Transfer>().reacts_to::<Order>().sends_to(&accounts);
    let transfers = saga.start().await.unwrap();
    let orders = runtime.host::<Order>();
    orders.execute("done", placed("alice", "bob", 200)).await.unwrap();
    assert_eq!(transfers.end_of("done").await.unwrap(), InstanceStatus::Completed);
    orders.execute("undone", placed("alice", "carol", 200)).await.unwrap();
    let ended = transfers.end_of("undone").await.unwrap();
    assert!(matches!(ended, InstanceStatus::Compensated { .. }), "{ended}");
    transfers.settled(Duration::from_secs(60)).await.unwrap();
    // The metrics are set when the index of instances changes, and again at the end.
    transfers.stop().await;
}
