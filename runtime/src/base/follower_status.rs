//! Statuses and errors of followers: subscriptions, projections and sagas. Plain data, without
//! dependencies on the rest of the runtime.

mod error;

use std::sync::Arc;

use actuarius_domain::Position;

pub use error::{BoxError, LaggingFollower, StartError, WaitError};

/// What follows the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerKind {
    /// A subscription: handles events with side effects of the user's.
    Subscription,
    /// A projection: folds events into a view.
    Projection,
    /// A saga: works for its instances.
    Saga,
}

/// The state of a subscription, a projection or a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowerStatus {
    /// It has not reached the end of the log since it was started or reset.
    CatchingUp,
    /// It has reached the end of the log and follows it.
    Live,
    /// It was paused by a call of `pause`.
    Paused,
    /// An event failed and is retried.
    Retrying {
        /// The position of the event.
        position: Position,
        /// How many attempts have failed.
        attempts: u32,
        /// Why the last attempt failed.
        why: String,
    },
    /// It cannot process an event and waits for a call of `resume`, even while it is paused. No event was
    /// skipped.
    Halted {
        /// The position of the event.
        position: Position,
        /// Why it failed.
        why: String,
    },
    /// It was stopped, or the runtime has closed.
    Stopped,
}

/// The health of one follower, as reported in [`Health`](crate::Health).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FollowerHealth {
    /// The name it was started with.
    pub name: Arc<str>,
    /// What kind of follower it is.
    pub kind: FollowerKind,
    /// Its state.
    pub status: FollowerStatus,
    /// The position up to which it has finished all events.
    pub position: Position,
    /// The number of events between that position and the end of the log.
    pub lag: u64,
    /// Whether the lag is 100,000 or larger, which a follower that keeps up never has. A log line names the follower when
    /// that begins and when it has ended.
    pub is_lagging: bool,
    /// The number of keys with parked events. Only subscriptions have any, including those that deliver the events
    /// of a saga.
    pub parked_keys: u64,
    /// The number of parked events, as far as is known.
    pub parked_events: u64,
    /// The number of instances of a saga that are quarantined or stuck, as of the last second.
    pub in_trouble: u64,
}
