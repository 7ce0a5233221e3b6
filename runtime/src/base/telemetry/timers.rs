//! The metrics of the timers of one aggregate type.

use super::facade::{Counter, Gauge};

/// The metrics of the timers of one aggregate type.
pub(crate) struct TimerMeters {
    armed: Gauge,
    failing: Gauge,
    delivered: Counter,
    rejected: Counter,
    not_due: Counter,
    failed: Counter,
}

impl TimerMeters {
    pub(crate) fn of(aggregate: &'static str) -> Self {
        let outcome = |outcome: &'static str| super::facade::counter!("actuarius_timers_total", "aggregate" => aggregate, "outcome" => outcome);
        Self {
            armed: super::facade::gauge!("actuarius_timers_armed", "aggregate" => aggregate),
            failing: super::facade::gauge!("actuarius_timers_failing", "aggregate" => aggregate),
            delivered: outcome("delivered"),
            rejected: outcome("rejected"),
            not_due: outcome("not_due"),
            failed: outcome("failed"),
        }
    }

    /// The number of armed timers, and how many of them could not be delivered so far.
    pub(crate) fn set(&self, armed: usize, failing: usize) {
        self.armed.set(armed as f64);
        self.failing.set(failing as f64);
    }

    /// The aggregate carried the command out.
    pub(crate) fn delivered(&self) {
        self.delivered.increment(1);
    }

    /// The aggregate rejected the command.
    pub(crate) fn rejected(&self) {
        self.rejected.increment(1);
    }

    /// The state wanted another time, or none.
    pub(crate) fn not_due(&self) {
        self.not_due.increment(1);
    }

    /// The attempt failed, and is repeated.
    pub(crate) fn failed(&self) {
        self.failed.increment(1);
    }
}
