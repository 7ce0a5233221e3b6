use metrics::{Counter, Gauge};

/// The figures of one saga.
pub(crate) struct SagaMeters {
    live: Gauge,
    in_trouble: Gauge,
    under_way: Gauge,
    completed: Counter,
    compensated: Counter,
    failed: Counter,
}

impl SagaMeters {
    pub(crate) fn of(saga: &'static str) -> Self {
        let instances = |state: &'static str| metrics::gauge!("actuarius_saga_instances", "saga" => saga, "state" => state);
        let ended = |outcome: &'static str| metrics::counter!("actuarius_saga_ended_total", "saga" => saga, "outcome" => outcome);
        Self {
            live: instances("live"),
            in_trouble: instances("in_trouble"),
            under_way: metrics::gauge!("actuarius_saga_commands_under_way", "saga" => saga),
            completed: ended("completed"),
            compensated: ended("compensated"),
            failed: ended("failed"),
        }
    }

    /// How many instances live, how many of them wait for a person, and how many of their commands are
    /// on their way.
    pub(crate) fn living(&self, live: u64, in_trouble: u64, under_way: u64) {
        self.live.set(live as f64);
        self.in_trouble.set(in_trouble as f64);
        self.under_way.set(under_way as f64);
    }

    /// How many have ended since the store was made.
    pub(crate) fn ended(&self, completed: u64, compensated: u64, failed: u64) {
        self.completed.absolute(completed);
        self.compensated.absolute(compensated);
        self.failed.absolute(failed);
    }
}
