use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use actuarius_domain::{InvalidId, Position, Version};
use actuarius_persistence::{CodecError, ReadError, StoreFailure};
use thiserror::Error;

use super::follower_status::WaitError;
use crate::schema::decoding::Undecodable;

/// Why a command was not acknowledged: a business no, or a failure.
#[derive(Debug, Error)]
pub enum ExecuteError<E> {
    /// The aggregate said no. Nothing was written; the same command may be accepted another day.
    #[error("rejected: {0}")]
    Rejected(#[source] E),
    /// The runtime could not carry the command out; the failure says whether anything was written.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl<E> ExecuteError<E> {
    /// The rejection, if it is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&E> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Failed(_) => None,
        }
    }

    /// The failure, if it is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Rejected(_) => None,
            Self::Failed(failure) => Some(failure),
        }
    }

    /// Whether the same request may succeed when sent again, with the same command id.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.failure().is_some_and(Failure::is_retryable)
    }
}

/// Why the runtime could not carry out a request. Each says whether anything was written.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The id cannot name an aggregate. Nothing was written; use another id.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The events cannot be stored: too large, or of a shape the codec refuses. Nothing was
    /// written; change the command or the event type.
    #[error("the events cannot be stored: {0}")]
    Unstorable(#[from] CodecError),
    /// The aggregate is not at the version the caller expected. Nothing was written; look at the
    /// aggregate again and decide anew.
    #[error("expected version {expected}, the aggregate is at {actual}")]
    Conflict {
        /// What the caller expected.
        expected: Version,
        /// Where the aggregate stands.
        actual: Version,
    },
    /// The aggregate was deleted, and its id is not used again. Nothing was written; use another id.
    #[error("the aggregate was deleted for good")]
    Deleted,
    /// Too many requests are waiting. Nothing was written; wait a little and retry.
    #[error("overloaded: {0}")]
    Overloaded(Limit),
    /// The request could not be served now. Nothing was written; retry.
    #[error("unavailable: {0}")]
    Unavailable(Unavailable),
    /// The events may or may not have been written. Retry with the same command id: if they were,
    /// the first receipt comes back and nothing is written twice.
    #[error("indeterminate: {0}")]
    Indeterminate(String),
    /// This aggregate is out of service, others are not. Nothing was written. Mend the cause, then
    /// call `release`, or restart.
    #[error(transparent)]
    Quarantined(Arc<Quarantine>),
    /// An earlier write or sync failed, so the store takes nothing more. Nothing of this attempt was
    /// written; whether an earlier attempt of the same command was, only reopening the runtime can
    /// tell: it recovers every acknowledged event.
    #[error("the store failed earlier and must be reopened: {0}")]
    Poisoned(StoreFailure),
    /// A stored event does not decode. Nothing was to be written; say how it is read today, with an
    /// [upcaster](crate::Upcasters), or read it with the release that wrote it.
    #[error(transparent)]
    Undecodable(Box<Undecodable>),
    /// What the aggregate was at this version rested on events that were deleted since. Nothing was to be
    /// written; ask for a later moment, or look into a backup.
    #[error("the events up to version {version} were deleted")]
    Removed {
        /// The version asked for.
        version: Version,
    },
    /// The command is durable, but a projection it was to be consistent with does not show it yet.
    /// Read on, or wait for the position; do not send the command again.
    #[error("durable at position {position}, but not shown yet: {why}")]
    NotShown {
        /// The position of the command's last event.
        position: Position,
        /// What the projection came to.
        why: WaitError,
    },
    /// Stored data could not be read. Nothing was to be written; the error says what to do.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The user's code panicked. See [`Place`] for what was written.
    #[error("{place} panicked: {message}")]
    Panicked {
        /// Which code.
        place: Place,
        /// What it said.
        message: String,
    },
}

impl Failure {
    /// Whether the same request may succeed when sent again, with the same command id.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Unavailable(_) | Self::Indeterminate(_))
    }

    /// Whether the caller's expectation of the version failed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether the command's events were written.
    #[must_use]
    pub fn written(&self) -> Written {
        match self {
            Self::Indeterminate(_) => Written::Perhaps,
            Self::Panicked { place: Place::Returning, .. } | Self::NotShown { .. } => Written::Yes,
            _ => Written::No,
        }
    }
}

/// Whether a command's events were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// They are durable.
    Yes,
    /// They are not, and will not be.
    No,
    /// Only a retry with the same command id, or a look at the aggregate, can tell.
    Perhaps,
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// The requests waiting for one aggregate.
    Inbox(usize),
    /// The requests waiting in the whole runtime.
    Pending(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbox(limit) => write!(formatter, "{limit} requests wait for this aggregate"),
            Self::Pending(limit) => write!(formatter, "{limit} requests wait in the runtime"),
        }
    }
}

/// Why a request could not be served now.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The runtime is shutting down or closed. Open it again.
    #[error("the runtime is shutting down")]
    ShuttingDown,
    /// The aggregate's history could not be read.
    #[error("the history could not be read: {0}")]
    Recovery(String),
    /// A command before this one failed to be stored, so what this one rested on is gone.
    #[error("an earlier command of this aggregate could not be stored")]
    Undone,
}

/// Which code of the user panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// `decide`: nothing was written, the aggregate stays usable.
    Decide,
    /// The closure of `returning`: the command's events **are** durable.
    Returning,
    /// The closure of a query: nothing was to be written.
    Query,
    /// `apply`, at the event of this version, when a state of the past was rebuilt: nothing was to be
    /// written.
    Apply(Version),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decide => formatter.write_str("decide"),
            Self::Returning => formatter.write_str("the closure of `returning`"),
            Self::Query => formatter.write_str("the closure of a query"),
            Self::Apply(version) => write!(formatter, "apply, at the event of version {version},"),
        }
    }
}

/// Why one aggregate is out of service.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{aggregate}/{id} is quarantined at version {version}: {reason}")]
pub struct Quarantine {
    /// The aggregate's type.
    pub aggregate: &'static str,
    /// Its id.
    pub id: Arc<str>,
    /// The version of the event concerned.
    pub version: Version,
    /// The position of that event, if it is stored.
    pub position: Option<Position>,
    /// What happened.
    pub reason: QuarantineReason,
}

/// What put an aggregate out of service.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// `apply` panicked. If it was a new event, that event was not written.
    #[error("`apply` panicked: {0}")]
    ApplyPanicked(String),
    /// A stored event does not decode.
    #[error("a stored event of type `{event_type}`, schema version {schema_version}: {error}")]
    Undecodable {
        /// The event's type.
        event_type: String,
        /// Its schema version.
        schema_version: u32,
        /// What the codec said.
        error: CodecError,
    },
    /// Stored data is damaged.
    #[error("{0}")]
    Damaged(String),
    /// A snapshot knows events that the log does not have: acknowledged data is missing.
    #[error("its snapshot is newer than the log: {0}")]
    SnapshotAhead(String),
    /// Events of it were removed from the log, and the event that ended its stream is not there: the
    /// store was restored to a moment before its deletion, from a backup taken after it.
    #[error("events of it were removed, and its deletion is not in the log")]
    Removed,
    /// Its actor failed again and again.
    #[error("its actor failed {0} times in a row")]
    KeepsFailing(u32),
}

/// A failure answers any kind of request.
impl Failure {
    pub(crate) fn shutting_down() -> Self {
        Self::Unavailable(Unavailable::ShuttingDown)
    }

    pub(crate) fn undone() -> Self {
        Self::Unavailable(Unavailable::Undone)
    }

    /// The answerer vanished without an answer: only a crash of the actor does that.
    pub(crate) fn vanished() -> Self {
        Self::Indeterminate("the aggregate's actor ended before it answered".to_owned())
    }

    pub(crate) fn timed_out(after: std::time::Duration) -> Self {
        Self::Indeterminate(format!("no answer within {after:?}"))
    }
}

impl From<Undecodable> for Failure {
    fn from(event: Undecodable) -> Self {
        Self::Undecodable(Box::new(event))
    }
}

impl<E> From<InvalidId> for ExecuteError<E>
where
    E: StdError,
{
    fn from(error: InvalidId) -> Self {
        Self::Failed(error.into())
    }
}
