//! What went wrong before derived data was read back: told one by one, for sagas, rows, views and snapshots.

mod kits;
mod lossy;
mod names;
mod sagas;
mod snapshots;
mod views;

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// Runs work on one thread, and returns the counters by name and outcome.
fn counting(work: impl Future<Output = ()>) -> BTreeMap<(String, String), u64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let thread = tokio::runtime::Builder::new_current_thread().enable_all().build();
        thread.expect("a runtime").block_on(work);
    });
    let mut counters = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let outcome = key.key().labels().find(|it| it.key() == "outcome");
        let outcome = outcome.map_or(String::new(), |it| it.value().to_owned());
        if let DebugValue::Counter(count) = value {
            *counters.entry((key.key().name().to_owned(), outcome)).or_default() += count;
        }
    }
    counters
}

fn count(counters: &BTreeMap<(String, String), u64>, name: &str, outcome: &str) -> u64 {
    counters.get(&(name.to_owned(), outcome.to_owned())).copied().unwrap_or_default()
}
