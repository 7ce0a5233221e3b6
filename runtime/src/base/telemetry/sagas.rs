//! The metrics of one saga.

use super::facade::{Counter, Gauge};

/// The metrics of one saga.
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
        let instances = |state: &'static str| super::facade::gauge!("actuarius_saga_instances", "saga" => saga, "state" => state);
        let ended = |outcome: &'static str| super::facade::counter!("actuarius_saga_ended_total", "saga" => saga, "outcome" => outcome);
        Self {
            live: instances("live"),
            in_trouble: instances("in_trouble"),
            under_way: super::facade::gauge!("actuarius_saga_commands_under_way", "saga" => saga),
            completed: ended("completed"),
            compensated: ended("compensated"),
            failed: ended("failed"),
        }
    }

    /// The number of live instances, how many of them wait for an operator, and how many of their commands
    /// are in flight.
    pub(crate) fn instances(&self, live: u64, in_trouble: u64, under_way: u64) {
        self.live.set(live as f64);
        self.in_trouble.set(in_trouble as f64);
        self.under_way.set(under_way as f64);
    }

    /// The number of instances that have ended since the store was created.
    pub(crate) fn ended(&self, completed: u64, compensated: u64, failed: u64) {
        self.completed.absolute(completed);
        self.compensated.absolute(compensated);
        self.failed.absolute(failed);
    }
}
