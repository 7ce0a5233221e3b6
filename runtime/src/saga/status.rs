//! The status of an instance, as it is shown to a user.

use std::fmt;

use actuarius_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::stored::{At, Life, Trouble};

/// The status of an instance of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum InstanceStatus {
    /// The instance waits for events, outcomes or deadlines.
    Running,
    /// The instance undoes its accepted commands.
    Compensating {
        /// Why it compensates.
        why: String,
    },
    /// The reaction to an input panicked, its effects cannot be encoded, or a command can never be delivered. The
    /// instance takes no input until an operator retries or skips it, or cancels the instance; its later events wait
    /// in order.
    Quarantined {
        /// What happened.
        why: String,
    },
    /// An undo was rejected. The instance waits until an operator has the undo retried or skipped.
    Stuck {
        /// The aggregate's rejection.
        why: String,
    },
    /// The instance has reached its goal.
    Completed,
    /// Every accepted command is undone.
    Compensated {
        /// Why it compensated.
        why: String,
    },
    /// The instance gave up; its accepted commands were not undone.
    Failed {
        /// Why it failed.
        why: String,
    },
}

impl InstanceStatus {
    pub(super) fn of(life: &Life, trouble: Option<&Trouble>) -> Self {
        if let Some(Trouble { at, why }) = trouble {
            let why = why.clone();
            return if *at == At::Undo { Self::Stuck { why } } else { Self::Quarantined { why } };
        }
        match life {
            Life::Running => Self::Running,
            Life::Compensating(why) => Self::Compensating { why: why.clone() },
            Life::Completed => Self::Completed,
            Life::Compensated(why) => Self::Compensated { why: why.clone() },
            Life::Failed(why) => Self::Failed { why: why.clone() },
        }
    }

    /// Returns the status of an instance that waits for the replies to this many commands: it has not ended before.
    pub(super) fn with_open(self, commands: u64) -> Self {
        match self {
            Self::Compensated { why } if commands > 0 => Self::Compensating { why },
            Self::Completed | Self::Failed { .. } if commands > 0 => Self::Running,
            other => other,
        }
    }

    /// Whether the instance has ended: its saga has declared the end, and all replies are recorded.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Completed | Self::Compensated { .. } | Self::Failed { .. })
    }

    /// Whether the instance waits for an operator.
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        matches!(self, Self::Quarantined { .. } | Self::Stuck { .. })
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => formatter.write_str("running"),
            Self::Compensating { why } => write!(formatter, "compensating: {why}"),
            Self::Quarantined { why } => write!(formatter, "quarantined: {why}"),
            Self::Stuck { why } => write!(formatter, "stuck, an undo was rejected: {why}"),
            Self::Completed => formatter.write_str("completed"),
            Self::Compensated { why } => write!(formatter, "compensated: {why}"),
            Self::Failed { why } => write!(formatter, "failed: {why}"),
        }
    }
}

/// An instance of a saga, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaInstance {
    /// The id of the instance.
    pub id: String,
    /// Its status.
    pub status: InstanceStatus,
    /// How many steps it has taken.
    pub steps: u64,
    /// How many of its commands have no recorded outcome yet.
    pub commands_under_way: u64,
    /// When its next deadline is due.
    pub next_deadline: Option<Timestamp>,
    /// When it took its first step.
    pub since: Timestamp,
    /// When it took its last step.
    pub last: Timestamp,
}
