use std::fmt;

use actuarius_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::stored::{At, Life, Trouble};

/// Where an instance of a saga is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum InstanceStatus {
    /// It waits for events, answers or deadlines.
    Running,
    /// It undoes what was done.
    Compensating {
        /// Why.
        why: String,
    },
    /// Its code panicked, or what it wants cannot be written down. It takes nothing until it is asked
    /// to; its later events wait in order.
    Quarantined {
        /// What happened.
        why: String,
    },
    /// An undo was refused. It waits until someone has it tried again or skipped.
    Stuck {
        /// What the aggregate said.
        why: String,
    },
    /// It has done what it was for.
    Completed,
    /// Everything that was done is undone.
    Compensated {
        /// Why.
        why: String,
    },
    /// It gave up; what was done stays.
    Failed {
        /// Why.
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

    /// Whether it has come to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Completed | Self::Compensated { .. } | Self::Failed { .. })
    }

    /// Whether it waits for a person.
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
            Self::Stuck { why } => write!(formatter, "stuck, an undo was refused: {why}"),
            Self::Completed => formatter.write_str("completed"),
            Self::Compensated { why } => write!(formatter, "compensated: {why}"),
            Self::Failed { why } => write!(formatter, "failed: {why}"),
        }
    }
}

/// One instance of a saga, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaInstance {
    /// Its id.
    pub id: String,
    /// Where it is in its life.
    pub status: InstanceStatus,
    /// How many steps it has taken.
    pub steps: u64,
    /// How many of its commands are on their way.
    pub commands_under_way: u64,
    /// When its next deadline comes.
    pub next_deadline: Option<Timestamp>,
    /// When it took its first step.
    pub since: Timestamp,
    /// When it took its last step.
    pub last: Timestamp,
}
