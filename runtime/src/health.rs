//! [`Health`]: the state of a running runtime.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::StoreFailure;
#[cfg(feature = "erasure")]
use actuarius_persistence::keys::KeyFigures;

pub use crate::base::clock_watch::ClockJump;
use crate::base::error::Quarantine;
pub use crate::base::follower_status::{FollowerHealth, FollowerKind, FollowerStatus};
#[cfg(feature = "metrics")]
pub use crate::base::telemetry::METRICS;
pub use crate::follow::handle::FollowerHandle;

/// The state of the runtime. Returned by [`Runtime::health`](crate::Runtime::health).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether it accepts commands.
    pub status: Status,
    /// The last durable position.
    pub head: Position,
    /// The number of requests that are inside and not yet answered.
    pub pending: usize,
    /// The number of aggregates in memory, of all types.
    pub resident: usize,
    /// The quarantined aggregates, at most 1,000 of each type.
    pub quarantined: Vec<Arc<Quarantine>>,
    /// Figures about the keys of data subjects; `None` if personal data is not allowed.
    #[cfg(feature = "erasure")]
    pub keys: Option<KeyFigures>,
    /// The state of each subscription, projection and saga.
    pub followers: Vec<FollowerHealth>,
    /// The last jump of the system's clock in this process, if there was one. Times of events before and after
    /// it may be out of order.
    pub clock_jump: Option<ClockJump>,
}

impl Health {
    /// Returns whether it runs, no aggregate is quarantined, no follower has halted and no key is damaged.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let halted = |it: &FollowerHealth| matches!(it.status, FollowerStatus::Halted { .. });
        matches!(self.status, Status::Running)
            && self.quarantined.is_empty()
            && !self.followers.iter().any(halted)
            && self.keys_are_whole()
    }

    #[cfg(feature = "erasure")]
    fn keys_are_whole(&self) -> bool {
        self.keys.is_none_or(|keys| keys.damaged == 0)
    }

    #[cfg(not(feature = "erasure"))]
    fn keys_are_whole(&self) -> bool {
        true
    }
}

/// Whether the runtime accepts commands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Status {
    /// It accepts commands.
    Running,
    /// A write or sync failed: no command is acknowledged any more. Queries still show what is durable.
    /// Shut down, repair the cause and open it again.
    Poisoned(StoreFailure),
    /// It is shutting down, or closed.
    ShuttingDown,
    /// The tokio runtime that opened the store has ended: nothing is processed any more, and every request
    /// fails. Drop every handle of the store, then open it again.
    TokioRuntimeEnded,
}
