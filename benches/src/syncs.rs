//! Counts the groups that the store makes durable, by the runtime's own metric.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// The histogram that receives one value per durable group.
const PER_GROUP: &str = "actuarius_sync_seconds";

/// The number of values of a histogram.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl HistogramFn for Count {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A recorder for a single metric. All others get no-op handles, because many change with every command, and the time
/// to record them would be measured as well.
struct GroupsOnly(Arc<Count>);

impl Recorder for GroupsOnly {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() == PER_GROUP {
            Histogram::from_arc(self.0.clone())
        } else {
            Histogram::noop()
        }
    }
}

/// The number of groups that all runtimes of this process have made durable since the first call.
pub fn so_far() -> u64 {
    static COUNT: OnceLock<Arc<Count>> = OnceLock::new();
    let count = COUNT.get_or_init(|| {
        let count = Arc::new(Count::default());
        // Fails only if the process has another recorder. Then nothing is counted.
        let _ = metrics::set_global_recorder(GroupsOnly(count.clone()));
        count
    });
    count.0.load(Ordering::Relaxed)
}
