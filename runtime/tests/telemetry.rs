//! The figures the runtime keeps, under stable names.

mod common;

use std::collections::BTreeMap;

use actuarius::{METRICS, Runtime};
use common::{Command, Ledger};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

fn on_one_thread(work: impl Future<Output = ()>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    threads.expect("a runtime").block_on(work);
}

#[test]
fn commands_are_counted_by_type_and_outcome_under_described_names() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        on_one_thread(async {
            let runtime = Runtime::in_memory().await.unwrap();
            let ledgers = runtime.host::<Ledger>();
            ledgers.execute("a", Command::AddAll(vec![1, 2])).command_id("x").await.unwrap();
            ledgers.execute("a", Command::Add(1)).command_id("x").await.unwrap();
            ledgers.execute("a", Command::Refuse).await.unwrap_err();
            ledgers.execute("", Command::Add(1)).await.unwrap_err();
            ledgers.query("a", |_| ()).await.unwrap();
        });
    });
    let mut counted = BTreeMap::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        assert!(METRICS.iter().any(|(name, ..)| *name == key.name()), "{} is listed", key.name());
        assert!(description.is_some(), "{} is described", key.name());
        let labels: Vec<_> = key.labels().map(|it| it.value().to_owned()).collect();
        if let DebugValue::Counter(count) = value {
            counted.insert((key.name().to_owned(), labels), count);
        }
    }
    let of = |name: &str, labels: &[&str]| {
        let labels = labels.iter().map(|it| (*it).to_owned()).collect();
        counted.get(&(name.to_owned(), labels)).copied().unwrap_or_default()
    };
    let commands = |outcome| of("actuarius_commands_total", &["ledger", outcome]);
    assert_eq!((commands("accepted"), commands("repeated")), (1, 1));
    assert_eq!((commands("rejected"), commands("invalid")), (1, 1));
    assert_eq!(of("actuarius_events_total", &["ledger"]), 2);
    assert_eq!(of("actuarius_queries_total", &["ledger"]), 1);
    assert_eq!(of("actuarius_activations_total", &["ledger"]), 1);
}
