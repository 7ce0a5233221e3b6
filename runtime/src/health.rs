use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::StoreFailure;
use actuarius_persistence::keys::KeyFigures;

use crate::base::error::Quarantine;
use crate::base::follower_status::{FollowerHealth, FollowerStatus};

/// How the runtime is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether it takes commands.
    pub status: Status,
    /// The last durable position.
    pub head: Position,
    /// How many requests are inside and not yet answered.
    pub pending: usize,
    /// How many aggregates are in memory.
    pub resident: usize,
    /// The aggregates out of service, at most 1,000 of each type.
    pub quarantined: Vec<Arc<Quarantine>>,
    /// The keys of data subjects, if there are any.
    pub keys: Option<KeyFigures>,
    /// The subscriptions, projections and sagas.
    pub followers: Vec<FollowerHealth>,
}

impl Health {
    /// Whether everything is in order.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let halted = |it: &FollowerHealth| matches!(it.status, FollowerStatus::Halted { .. });
        matches!(self.status, Status::Running)
            && self.quarantined.is_empty()
            && !self.followers.iter().any(halted)
            && self.keys.is_none_or(|keys| keys.damaged == 0)
    }
}

/// Whether the runtime takes commands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Status {
    /// It does.
    Running,
    /// A write or sync failed: nothing is acknowledged any more. Queries still answer from what is
    /// durable. Shut down, remove the cause and open again.
    Poisoned(StoreFailure),
    /// It is shutting down, or closed.
    ShuttingDown,
}
