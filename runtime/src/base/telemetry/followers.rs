//! The metrics of one follower.

use std::time::Duration;

use super::facade::{Counter, Gauge, Histogram};

/// The metrics of the saves of one view in memory.
pub(crate) struct SaveMeters {
    saved: Counter,
    dropped: Counter,
}

impl SaveMeters {
    pub(crate) fn of(follower: &str) -> Self {
        let saves = |outcome: &'static str| {
            super::facade::counter!(
                "actuarius_view_saves_total",
                "follower" => follower.to_owned(), "outcome" => outcome
            )
        };
        Self { saved: saves("saved"), dropped: saves("dropped") }
    }

    pub(crate) fn saved(&self) {
        self.saved.increment(1);
    }

    /// Counts a view that was not saved.
    pub(crate) fn dropped(&self) {
        self.dropped.increment(1);
    }
}

/// The metrics of one follower.
pub(crate) struct FollowerMeters {
    lag: Gauge,
    halted: Gauge,
    parked: Gauge,
    handled_events: Counter,
    filtered_events: Counter,
    failed_events: Counter,
    parked_events: Counter,
    batch: Histogram,
}

impl FollowerMeters {
    pub(crate) fn of(follower: &str) -> Self {
        let follower = follower.to_owned();
        let gauge =
            |name: &'static str| super::facade::gauge!(name, "follower" => follower.clone());
        let events = |outcome: &'static str| {
            super::facade::counter!(
                "actuarius_follower_events_total",
                "follower" => follower.clone(), "outcome" => outcome
            )
        };
        Self {
            lag: gauge("actuarius_follower_lag_events"),
            halted: gauge("actuarius_follower_halted"),
            parked: gauge("actuarius_follower_parked_events"),
            handled_events: events("handled"),
            filtered_events: events("filtered"),
            failed_events: events("failed"),
            parked_events: events("parked"),
            batch: super::facade::histogram!(
                "actuarius_follower_batch_seconds", "follower" => follower.clone()
            ),
        }
    }

    /// The number of events up to the end of the log.
    pub(crate) fn lag(&self, events: u64) {
        self.lag.set(events as f64);
    }

    pub(crate) fn halted(&self, halted: bool) {
        self.halted.set(if halted { 1.0 } else { 0.0 });
    }

    /// The number of events parked now.
    pub(crate) fn parked(&self, events: u64) {
        self.parked.set(events as f64);
    }

    pub(crate) fn handled(&self, events: u64) {
        self.handled_events.increment(events);
    }

    pub(crate) fn filtered(&self, events: u64) {
        self.filtered_events.increment(events);
    }

    /// Counts a failed attempt at an event.
    pub(crate) fn failed(&self) {
        self.failed_events.increment(1);
    }

    /// Counts an event that was parked.
    pub(crate) fn parks(&self) {
        self.parked_events.increment(1);
    }

    pub(crate) fn batch(&self, time: Duration) {
        self.batch.record(time);
    }
}
