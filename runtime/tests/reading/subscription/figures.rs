//! Metrics of subscriptions: handled, filtered, failed and parked events, and halts.

use std::collections::BTreeMap;

use actuarius::Runtime;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::scene::{Failing, Scribe, add, caught_up, halting, mailer, until_halted};
use crate::common::{Command, Ledger};

/// Returns the metrics of all followers, by name and, if there is one, by outcome.
fn figures(snapshotter: &Snapshotter) -> BTreeMap<(String, String), f64> {
    let mut figures = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let outcome = key.key().labels().find(|it| it.key() == "outcome");
        let outcome = outcome.map_or(String::new(), |it| it.value().to_owned());
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(gauge) => gauge.into_inner(),
            DebugValue::Histogram(_) => continue,
        };
        *figures.entry((key.key().name().to_owned(), outcome)).or_default() += value;
    }
    figures
}

fn on_one_thread(work: impl Future<Output = ()>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    threads.expect("a runtime").block_on(work);
}

#[test]
fn handled_filtered_failed_and_parked_events_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        on_one_thread(async {
            let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
            let ledgers = runtime.host::<Ledger>();
            scribe.fail(3, Failing::Refuses);
            let builder = mailer(&runtime, &scribe);
            let mailer = builder.start().await.unwrap();
            add(&ledgers, "a", &[1, 2]).await;
            add(&ledgers, "b", &[3, 4]).await;
            caught_up(&runtime, &mailer).await;
            mailer.stop().await;

            let only = runtime.subscribe("other").on_only(["Blob"], scribe.handler());
            let other = only.retry(super::scene::at_once()).start().await.unwrap();
            ledgers.execute("c", Command::Add(5)).await.unwrap();
            caught_up(&runtime, &other).await;
            other.stop().await;
        });
    });
    let figures = figures(&snapshotter);
    let of = |name: &str, outcome: &str| figures[&(name.to_owned(), outcome.to_owned())];
    let events = |outcome| of("actuarius_follower_events_total", outcome);
    assert_eq!((events("handled"), events("failed"), events("parked")), (2.0, 5.0, 2.0));
    assert_eq!(events("filtered"), 5.0);
    assert_eq!(of("actuarius_follower_lag_events", ""), 0.0);
}

#[test]
fn stored_notes_do_not_lower_the_measured_size_of_command_groups() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        on_one_thread(async {
            let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
            let mailer = mailer(&runtime, &scribe).start().await.unwrap();
            add(&runtime.host::<Ledger>(), "a", &[1]).await;
            caught_up(&runtime, &mailer).await;
            mailer.stop().await;
            let _ = runtime.shutdown(super::scene::LONG).await;
        });
    });
    let mut recorded: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        if let DebugValue::Histogram(values) = value {
            let values = values.into_iter().map(f64::from);
            recorded.entry(key.key().name().to_owned()).or_default().extend(values);
        }
    }
    let of = |name: &str| recorded[name].clone();
    assert_eq!((of("actuarius_group_appends"), of("actuarius_group_bytes").len()), (vec![1.0], 1));
    assert!(of("actuarius_sync_seconds").len() > 1, "notes were synced, too");
}

#[test]
fn a_halt_is_measured_until_it_is_over() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let halted = || figures(&snapshotter)[&("actuarius_follower_halted".to_owned(), String::new())];
    metrics::with_local_recorder(&recorder, || {
        on_one_thread(async {
            let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
            scribe.fail(1, Failing::Refuses);
            let mailer = halting(&runtime, &scribe).await;
            add(&runtime.host::<Ledger>(), "a", &[1]).await;
            until_halted(&mailer).await;
            assert_eq!(halted(), 1.0);
            scribe.mend(1);
            mailer.resume();
            caught_up(&runtime, &mailer).await;
            mailer.stop().await;
        });
    });
    assert_eq!(halted(), 0.0);
}
