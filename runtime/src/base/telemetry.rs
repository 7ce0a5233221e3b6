//! The metrics of the runtime, published through the `metrics` facade. The runtime installs no recorder:
//! install one before opening the runtime.

pub(crate) mod facade;
mod followers;
#[cfg(feature = "sagas")]
mod sagas;
mod timers;

use std::time::Duration;

use actuarius_persistence::Batch;
use facade::{Counter, Gauge, Histogram};
#[cfg(feature = "metrics")]
use facade::{Unit, describe_counter, describe_gauge, describe_histogram};

use super::error::{ExecuteError, Failure};
use super::receipt::Receipt;

pub(crate) use followers::{FollowerMeters, SaveMeters};
#[cfg(feature = "sagas")]
pub(crate) use sagas::SagaMeters;
pub(crate) use timers::TimerMeters;

/// Defines [`METRICS`], and lists them in its documentation, which does not show the value of a constant.
#[cfg(feature = "metrics")]
macro_rules! metrics {
    ($(#[$doc:meta])* $($name:literal, $unit:ident, $text:literal;)*) => {
        $(#[$doc])*
        ///
        /// | name | unit | description |
        /// |---|---|---|
        $(#[doc = concat!("| `", $name, "` | ", stringify!($unit), " | ", $text, " |")])*
        pub const METRICS: &[(&str, Unit, &str)] = &[$(($name, Unit::$unit, $text)),*];
    };
}

#[cfg(feature = "metrics")]
metrics! {
    /// Every metric: its name, its unit and its description. Names are part of the public interface.
    ///
    /// The label `aggregate` is the aggregate's type, the label `outcome` one of `accepted`,
    /// `repeated`, `rejected`, `conflict`, `overloaded`, `unavailable`, `indeterminate`,
    /// `quarantined`, `poisoned`, `invalid`, `panicked` and `abandoned` (the caller no longer waited). Ids
    /// are never labels. The label `follower` is the name of a subscription, projection or saga; its events
    /// have the outcomes `handled`, `filtered`, `failed` (an attempt) and `parked`. Timers that were due have the
    /// outcomes `delivered`, `rejected`, `not_due` (the state had another time, or none) and `failed` (an attempt). Snapshots and saved views have
    /// the outcome `dropped` if they were not kept, because they do not read back or could not be written.
    "actuarius_commands_total", Count, "Commands, by aggregate and outcome";
    "actuarius_queries_total", Count, "Queries answered, by aggregate";
    "actuarius_events_total", Count, "Events made durable, by aggregate";
    "actuarius_queue_seconds", Seconds, "Time a request waits for its turn, by aggregate";
    "actuarius_decide_seconds", Seconds, "Time of one turn of decisions, by aggregate";
    "actuarius_commit_seconds", Seconds, "Time from decision to durability, by aggregate";
    "actuarius_sync_seconds", Seconds, "Time the store takes for one group";
    "actuarius_group_appends", Count, "Appends in one group, if there are any";
    "actuarius_group_bytes", Bytes, "Bytes of events in one group, if there are any";
    "actuarius_resident_aggregates", Count, "Aggregates in memory, by aggregate";
    "actuarius_activations_total", Count, "Aggregates loaded into memory, by aggregate";
    "actuarius_passivations_total", Count, "Aggregates unloaded from memory, by aggregate";
    "actuarius_recovery_seconds", Seconds, "Time of one recovery, by aggregate";
    "actuarius_recovery_events", Count, "Events replayed in one recovery, by aggregate";
    "actuarius_snapshots_total", Count, "Snapshots, by aggregate and outcome";
    "actuarius_quarantines_total", Count, "Aggregates put out of service, by aggregate";
    "actuarius_follower_lag_events", Count, "Events up to the log's end, by follower";
    "actuarius_follower_events_total", Count, "Events processed, by follower and outcome";
    "actuarius_follower_batch_seconds", Seconds, "Time of one batch, by follower";
    "actuarius_follower_parked_events", Count, "Events parked now, by follower";
    "actuarius_follower_halted", Count, "1 while it is halted, by follower";
    "actuarius_view_saves_total", Count, "Saves of views in memory, by follower and outcome";
    "actuarius_saga_instances", Count, "Instances that have not ended, by saga and state";
    "actuarius_saga_commands_under_way", Count, "Commands sent and not answered, by saga";
    "actuarius_saga_ended_total", Count, "Instances that have ended, by saga and outcome";
    "actuarius_timers_armed", Count, "Timers armed, by aggregate";
    "actuarius_timers_failing", Count, "Timers that are due and could not be delivered yet, by aggregate";
    "actuarius_timers_total", Count, "Timers that were due, by aggregate and outcome";
    "actuarius_subjects_forgotten_total", Count, "Data subjects whose key was destroyed";
    "actuarius_clock_jumps_total", Count, "Jumps of the system's clock by more than a minute";
    "actuarius_poisoned", Count, "1 once the store has failed";
}

/// The metrics that are gauges.
#[cfg(feature = "metrics")]
const GAUGES: &[&str] = &[
    "actuarius_resident_aggregates",
    "actuarius_follower_lag_events",
    "actuarius_follower_parked_events",
    "actuarius_follower_halted",
    "actuarius_saga_instances",
    "actuarius_saga_commands_under_way",
    "actuarius_timers_armed",
    "actuarius_timers_failing",
    "actuarius_poisoned",
];

#[cfg(not(feature = "metrics"))]
pub(crate) fn describe() {}

#[cfg(feature = "metrics")]
pub(crate) fn describe() {
    // The recorder is code of the user's.
    let _ = super::panics::guarded(|| METRICS.iter().for_each(describe_one));
}

#[cfg(feature = "metrics")]
fn describe_one(&(name, unit, description): &(&'static str, Unit, &'static str)) {
    if name.ends_with("_total") {
        describe_counter!(name, unit, description);
    } else if GAUGES.contains(&name) {
        describe_gauge!(name, unit, description);
    } else {
        describe_histogram!(name, unit, description);
    }
}

/// Counts a jump of the system's clock.
pub(crate) fn clock_jumped() {
    facade::counter!("actuarius_clock_jumps_total").increment(1);
}

/// The metrics of one hosted type. The handles are resolved once, because a lookup per command would
/// cost as much as the command.
pub(crate) struct Meters {
    outcomes: Outcomes,
    queries: Counter,
    events: Counter,
    queue: Histogram,
    decide: Histogram,
    commit: Histogram,
    resident: Gauge,
    activations: Counter,
    passivations: Counter,
    recovery: Histogram,
    recovery_events: Histogram,
    snapshots_taken: Counter,
    snapshots_dropped: Counter,
    snapshots_ignored: Counter,
    quarantines: Counter,
}

struct Outcomes {
    accepted: Counter,
    repeated: Counter,
    rejected: Counter,
    conflict: Counter,
    overloaded: Counter,
    unavailable: Counter,
    indeterminate: Counter,
    quarantined: Counter,
    poisoned: Counter,
    invalid: Counter,
    panicked: Counter,
    abandoned: Counter,
}

impl Outcomes {
    fn of(aggregate: &'static str) -> Self {
        let outcome = |outcome: &'static str| {
            facade::counter!(
                "actuarius_commands_total", "aggregate" => aggregate, "outcome" => outcome
            )
        };
        Self {
            accepted: outcome("accepted"),
            repeated: outcome("repeated"),
            rejected: outcome("rejected"),
            conflict: outcome("conflict"),
            overloaded: outcome("overloaded"),
            unavailable: outcome("unavailable"),
            indeterminate: outcome("indeterminate"),
            quarantined: outcome("quarantined"),
            poisoned: outcome("poisoned"),
            invalid: outcome("invalid"),
            panicked: outcome("panicked"),
            abandoned: outcome("abandoned"),
        }
    }

    fn failed(&self, failure: &Failure) -> &Counter {
        match failure {
            Failure::Conflict { .. } => &self.conflict,
            Failure::Overloaded(_) => &self.overloaded,
            Failure::Unavailable(_)
            | Failure::Unreadable(_)
            | Failure::Undecodable(_)
            | Failure::Removed { .. }
            | Failure::FollowersLag { .. } => &self.unavailable,
            Failure::Indeterminate(_) => &self.indeterminate,
            Failure::Quarantined(_) => &self.quarantined,
            Failure::Poisoned(_) => &self.poisoned,
            Failure::InvalidId(_) | Failure::Unstorable(_) | Failure::Deleted => &self.invalid,
            Failure::Panicked { .. } => &self.panicked,
            // The command was accepted; only its caller sees this failure.
            Failure::NotShown { .. } => &self.accepted,
        }
    }
}

impl Meters {
    pub(crate) fn of(aggregate: &'static str) -> Self {
        let snapshots = |outcome: &'static str| {
            facade::counter!(
                "actuarius_snapshots_total", "aggregate" => aggregate, "outcome" => outcome
            )
        };
        let counter = |name: &'static str| facade::counter!(name, "aggregate" => aggregate);
        let histogram = |name: &'static str| facade::histogram!(name, "aggregate" => aggregate);
        Self {
            outcomes: Outcomes::of(aggregate),
            queries: counter("actuarius_queries_total"),
            events: counter("actuarius_events_total"),
            queue: histogram("actuarius_queue_seconds"),
            decide: histogram("actuarius_decide_seconds"),
            commit: histogram("actuarius_commit_seconds"),
            resident: facade::gauge!("actuarius_resident_aggregates", "aggregate" => aggregate),
            activations: counter("actuarius_activations_total"),
            passivations: counter("actuarius_passivations_total"),
            recovery: histogram("actuarius_recovery_seconds"),
            recovery_events: histogram("actuarius_recovery_events"),
            snapshots_taken: snapshots("taken"),
            snapshots_dropped: snapshots("dropped"),
            snapshots_ignored: snapshots("ignored"),
            quarantines: counter("actuarius_quarantines_total"),
        }
    }

    pub(crate) fn accepted(&self, receipt: &Receipt) {
        if receipt.repeated {
            self.outcomes.repeated.increment(1);
        } else {
            self.outcomes.accepted.increment(1);
            self.events.increment(receipt.events);
        }
    }

    pub(crate) fn refused_command<E>(&self, error: &ExecuteError<E>) {
        match error {
            ExecuteError::Rejected(_) => self.outcomes.rejected.increment(1),
            ExecuteError::Failed(failure) => self.refused(failure),
        }
    }

    pub(crate) fn refused(&self, failure: &Failure) {
        self.outcomes.failed(failure).increment(1);
    }

    pub(crate) fn abandoned(&self) {
        self.outcomes.abandoned.increment(1);
    }

    pub(crate) fn queried(&self) {
        self.queries.increment(1);
    }

    pub(crate) fn queued(&self, time: Duration) {
        self.queue.record(time);
    }

    pub(crate) fn decided(&self, time: Duration) {
        self.decide.record(time);
    }

    pub(crate) fn committed_append(&self, time: Duration) {
        self.commit.record(time);
    }

    pub(crate) fn activated(&self) {
        self.activations.increment(1);
        self.resident.increment(1);
    }

    pub(crate) fn passivated(&self) {
        self.passivations.increment(1);
    }

    /// Counts an aggregate that is no longer in memory, for whatever reason.
    pub(crate) fn unloaded(&self) {
        self.resident.decrement(1);
    }

    pub(crate) fn recovered(&self, time: Duration, events: u64) {
        self.recovery.record(time);
        self.recovery_events.record(events as f64);
    }

    pub(crate) fn snapshot_taken(&self) {
        self.snapshots_taken.increment(1);
    }

    pub(crate) fn snapshot_dropped(&self) {
        self.snapshots_dropped.increment(1);
    }

    pub(crate) fn snapshot_ignored(&self) {
        self.snapshots_ignored.increment(1);
    }

    pub(crate) fn quarantined(&self) {
        self.quarantines.increment(1);
    }
}

/// The metrics of the committer.
pub(crate) struct CommitMeters {
    sync: Histogram,
    appends: Histogram,
    bytes: Histogram,
    poisoned: Gauge,
}

impl CommitMeters {
    pub(crate) fn new() -> Self {
        let poisoned = facade::gauge!("actuarius_poisoned");
        poisoned.set(0);
        Self {
            sync: facade::histogram!("actuarius_sync_seconds"),
            appends: facade::histogram!("actuarius_group_appends"),
            bytes: facade::histogram!("actuarius_group_bytes"),
            poisoned,
        }
    }

    pub(crate) fn committed(&self, batch: &Batch, time: Duration) {
        self.sync.record(time);
        if batch.appends.is_empty() {
            // Only notes of followers, or snapshots: they would make groups look smaller than they are.
            return;
        }
        self.appends.record(batch.appends.len() as f64);
        let bytes: usize = batch.appends.iter().map(actuarius_persistence::Append::bytes).sum();
        self.bytes.record(bytes as f64);
    }

    pub(crate) fn poisoned(&self) {
        self.poisoned.set(1);
    }
}
