//! Metrics of the runtime: their names, labels and values.

use std::collections::BTreeMap;
use std::time::Duration;

use actuarius::health::{FollowerStatus, METRICS};
use actuarius::projection::Projection;
use actuarius::subscription::Retry;
use actuarius::{Envelope, Runtime};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Ledger, eventually};

/// Runs `work` on one thread, with a tokio clock that the test advances.
fn on_one_thread(work: impl Future<Output = ()>) {
    let mut threads = tokio::runtime::Builder::new_current_thread();
    threads.enable_all().start_paused(true).build().expect("a runtime").block_on(work);
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

#[derive(Default, Serialize, Deserialize)]
struct Stumbling;

impl Projection<Ledger> for Stumbling {
    fn project(&mut self, _: &Envelope<Ledger>) {
        // Unwinding without the hook: the panic is expected, its report would only be noise.
        std::panic::resume_unwind(Box::new("this projection panics"));
    }
}

/// Returns the lag of each follower in events, from the gauges. Reading resets them to zero.
fn lags(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let figures = snapshotter.snapshot().into_vec().into_iter();
    let lags = figures.filter(|(key, ..)| key.key().name() == "actuarius_follower_lag_events");
    let lags = lags.filter_map(|(key, _, _, value)| {
        let follower = key.key().labels().next()?.value().to_owned();
        let DebugValue::Gauge(lag) = value else { return None };
        Some((follower, lag.into_inner()))
    });
    lags.collect()
}

/// The gauge was set only by followers that made progress. So it did not change when the lag grew,
/// and no alarm was raised.
#[test]
fn the_lag_of_a_stopped_follower_grows_while_others_write() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let told = |halts: u32, pauses: u32| {
        let told = [("halts", halts), ("pauses", pauses)];
        let told = told.map(|(follower, lag)| (follower.to_owned(), f64::from(lag)));
        lags(&snapshotter) == BTreeMap::from(told)
    };
    metrics::with_local_recorder(&recorder, || {
        on_one_thread(async {
            let runtime = Runtime::in_memory().await.unwrap();
            let start = |name: &str| {
                let view = runtime.projection::<Stumbling>(name).on::<Ledger>();
                view.retry(Retry::default().attempts(1)).start()
            };
            let (halts, pauses) = (start("halts").await.unwrap(), start("pauses").await.unwrap());
            pauses.pause().await;
            eventually(|| pauses.status() == FollowerStatus::Paused).await;
            for written in 1..=3 {
                runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
                tokio::time::advance(Duration::from_secs(1)).await;
                eventually(|| told(written, written)).await;
            }
            assert!(matches!(halts.status(), FollowerStatus::Halted { .. }));
            halts.stop().await;
            tokio::time::advance(Duration::from_secs(1)).await;
            eventually(|| told(0, 3)).await;
        });
    });
}
