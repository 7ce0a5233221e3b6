//! Errors of requests: [`ExecuteError`], [`Failure`] and what they consist of.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use actuarius_domain::{InvalidId, Position, Version};
use actuarius_persistence::{CodecError, ReadError, StoreFailure};
use thiserror::Error;

use super::follower_status::{LaggingFollower, WaitError};
use super::undecodable::Undecodable;

/// Why a command was not acknowledged: the aggregate rejected it, or it failed.
#[derive(Debug, Error)]
pub enum ExecuteError<E> {
    /// The aggregate rejected the command. Nothing was written. The same command may be accepted later,
    /// once the aggregate's state allows it.
    #[error("rejected: {0}")]
    Rejected(#[source] E),
    /// The runtime could not carry out the command. [`Failure::written`] reports whether anything was
    /// written.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl<E> ExecuteError<E> {
    /// Returns the rejection, if it is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&E> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Failed(_) => None,
        }
    }

    /// Returns the failure, if it is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Rejected(_) => None,
            Self::Failed(failure) => Some(failure),
        }
    }

    /// Returns whether the same request may succeed when it is sent again through the same handle, with the same
    /// command id. See [`Failure::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.failure().is_some_and(Failure::is_retryable)
    }
}

/// Why the runtime could not carry out a request. Each variant documents whether anything was written
/// and what to do; [`written`](Failure::written) and [`is_retryable`](Failure::is_retryable) report both
/// to code.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The id is not a valid id of an aggregate. Nothing was written; use another id.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The events cannot be stored: they are too large, or the codec cannot encode them. Nothing was
    /// written; change the command or the event type.
    #[error("the events cannot be stored: {0}")]
    Unstorable(#[from] CodecError),
    /// The aggregate is not at the version that the caller expected. Nothing was written; read the
    /// aggregate again and send a new command.
    #[error("expected version {expected}, the aggregate is at {actual}")]
    Conflict {
        /// The version the caller expected.
        expected: Version,
        /// The version of the aggregate.
        actual: Version,
    },
    /// The aggregate was deleted permanently, so its id cannot be used again. Nothing was written; use
    /// another id.
    #[error("the aggregate was deleted permanently")]
    Deleted,
    /// Too many requests are waiting. Nothing was written; wait a little and retry.
    #[error("overloaded: {0}")]
    Overloaded(Limit),
    /// The request could not be served now. Nothing was written; see [`Unavailable`] for whether to retry, or to
    /// open the store again.
    #[error("unavailable: {0}")]
    Unavailable(Unavailable),
    /// The events may or may not have been written. Retry with the same command id: if they were
    /// written, the retry returns the first receipt and writes nothing twice.
    #[error("indeterminate: {0}")]
    Indeterminate(String),
    /// This aggregate is out of service; other aggregates are not affected. Nothing was written. Repair
    /// the cause, then call [`release`](crate::Aggregates::release), or restart.
    #[error(transparent)]
    Quarantined(Arc<Quarantine>),
    /// An earlier write or sync failed, so the store accepts no more writes. Nothing of this attempt was
    /// written. Whether an earlier attempt of the same command was written is known only after the
    /// runtime is reopened, which recovers every acknowledged event.
    #[error("the store failed earlier and must be reopened: {0}")]
    Poisoned(StoreFailure),
    /// A stored event does not decode. The request writes nothing. Convert the event with an
    /// [upcaster](crate::schema::Upcasters), or read it with the release that wrote it.
    #[error(transparent)]
    Undecodable(Box<Undecodable>),
    /// The state of the aggregate at this version depends on events that have been deleted since. The
    /// request writes nothing. Read a later moment, or a backup.
    #[error("the events up to version {version} were deleted")]
    Removed {
        /// The requested version.
        version: Version,
    },
    /// Followers have not finished all events of an aggregate that was to be deleted. Nothing was deleted. Let them
    /// catch up and retry, [`discard`](crate::subscription::SubscriptionBuilder::discard) those that are not used
    /// any more, or delete it [`without_waiting`](crate::operations::Delete::without_waiting).
    ///
    /// It is retryable if all of them advance. One that is paused, halted or stopped does not advance before an operator
    /// resumes or starts it, so sending the deletion again does not help until then.
    #[error("not deleted: position {position} is not reached by {}", names(followers))]
    FollowersLag {
        /// The position of the aggregate's last event.
        position: Position,
        /// Those that have not finished it, with their positions.
        followers: Vec<LaggingFollower>,
    },
    /// The command is durable, but a projection that it was to be consistent with does not show it yet.
    /// Continue, or wait until the projection reaches the position; do not send the command again.
    #[error("durable at position {position}, but not shown yet: {why}")]
    NotShown {
        /// The position of the command's last event.
        position: Position,
        /// Why the projection does not show it.
        why: WaitError,
    },
    /// Stored data could not be read. Nothing was written; see [`ReadError`] for what to do.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The user's code panicked. See [`Place`] for whether anything was written.
    #[error("{place} panicked: {message}")]
    Panicked {
        /// Which code panicked.
        place: Place,
        /// The message of the panic, at most 1,000 characters.
        message: String,
    },
}

impl Failure {
    /// Returns whether the same request may succeed when it is sent again through the same handle, with the same
    /// command id.
    ///
    /// [`Unavailable::ShuttingDown`] and [`Unavailable::TokioRuntimeEnded`] are not retryable: the store must be
    /// opened again, and the request sent there. [`FollowersLag`](Self::FollowersLag) is not retryable while one of the
    /// followers waits for an operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(why) => why.is_temporary(),
            Self::Overloaded(_) | Self::Indeterminate(_) => true,
            Self::FollowersLag { followers, .. } => followers.iter().all(LaggingFollower::advances),
            _ => false,
        }
    }

    /// Returns whether the aggregate was not at the version that the caller expected.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Returns whether the command's events were written.
    #[must_use]
    pub fn written(&self) -> Written {
        match self {
            Self::Indeterminate(_) => Written::Perhaps,
            Self::Panicked { place: Place::Returning, .. } | Self::NotShown { .. } => Written::Yes,
            _ => Written::No,
        }
    }
}

/// Returns the names of followers, and how far each is.
pub(crate) fn names(followers: &[LaggingFollower]) -> String {
    let one = |it: &LaggingFollower| format!("{:?} (at position {})", it.name, it.position);
    followers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether a command's events were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The events are durable.
    Yes,
    /// The events are not durable, and will not become so.
    No,
    /// The events may or may not be durable. A retry with the same command id, or reading the aggregate,
    /// tells which.
    Perhaps,
}

/// The bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// The bound on requests that wait for one aggregate:
    /// [`Hosting::inbox_limit`](crate::Hosting::inbox_limit).
    Inbox(usize),
    /// The bound on requests inside the whole runtime:
    /// [`RuntimeBuilder::pending_limit`](crate::RuntimeBuilder::pending_limit).
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
    /// The aggregate's events could not be read. Retry later.
    #[error("the history could not be read: {0}")]
    Recovery(String),
    /// The tokio runtime that opened the store has ended, and the tasks of the aggregates with it. Reopening
    /// the store is the only way to continue: drop every handle of it, then open it in a tokio runtime that
    /// lives as long as the handles do.
    #[error("the tokio runtime that opened the store has ended")]
    TokioRuntimeEnded,
    /// An earlier command, on whose result this one was decided, could not be stored. Retry.
    #[error("an earlier command of this aggregate could not be stored")]
    Undone,
}

impl Unavailable {
    /// Returns whether the same handle may serve the request later.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Recovery(_) | Self::Undone => true,
            Self::ShuttingDown | Self::TokioRuntimeEnded => false,
        }
    }
}

/// Which of the user's functions panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// `decide`: nothing was written, and the aggregate stays in service.
    Decide,
    /// The closure of `returning`: the command's events **are** durable.
    Returning,
    /// The closure of a query: nothing was written.
    Query,
    /// `apply`, at the event of this version, while a past state was rebuilt: nothing was written.
    Apply(Version),
    /// The function of a [timer](crate::Hosting::timer): nothing was written, and the timer is tried again.
    Timer,
    /// The [`Clock`](crate::Clock) of the runtime: nothing was written, and the aggregate stays in service.
    Clock,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decide => formatter.write_str("decide"),
            Self::Returning => formatter.write_str("the closure of `returning`"),
            Self::Query => formatter.write_str("the closure of a query"),
            Self::Apply(version) => write!(formatter, "apply, at the event of version {version},"),
            Self::Timer => formatter.write_str("the function of a timer"),
            Self::Clock => formatter.write_str("the clock"),
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
    /// The version of the event at which it happened.
    pub version: Version,
    /// The position of that event, if it is stored.
    pub position: Option<Position>,
    /// What happened.
    pub reason: QuarantineReason,
}

/// Why an aggregate was quarantined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// `apply` panicked. If the event was new, it was not written.
    #[error("`apply` panicked: {0}")]
    ApplyPanicked(String),
    /// A stored event does not decode.
    #[error("a stored event of type `{event_type}`, schema version {schema_version}: {error}")]
    Undecodable {
        /// The event's stored type name.
        event_type: String,
        /// The event's stored schema version.
        schema_version: u32,
        /// The error of the codec or of an upcaster.
        error: CodecError,
    },
    /// Stored data is damaged.
    #[error("{0}")]
    Damaged(String),
    /// A snapshot contains events that the log does not have: acknowledged data is missing.
    #[error("its snapshot is newer than the log: {0}")]
    SnapshotAhead(String),
    /// Events of the aggregate were removed from the log, but the event that ends its stream is missing:
    /// the store was restored to a moment before the deletion, from a backup taken after it.
    /// Delete it: that ends its stream.
    #[error("its events were removed, and its deletion is not in the log")]
    Removed,
    /// The user's code panicked while the aggregate was recovered: `Default`, or a destructor of the state.
    #[error("the recovery panicked: {0}")]
    RecoveryPanicked(String),
    /// Its actor failed this many times in a row.
    #[error("its actor failed {0} times in a row")]
    KeepsFailing(u32),
}

impl Failure {
    pub(crate) fn shutting_down() -> Self {
        Self::Unavailable(Unavailable::ShuttingDown)
    }

    pub(crate) fn tokio_runtime_ended() -> Self {
        Self::Unavailable(Unavailable::TokioRuntimeEnded)
    }

    pub(crate) fn undone() -> Self {
        Self::Unavailable(Unavailable::Undone)
    }

    /// The reply channel was closed without a reply: only a crash of the actor does that.
    pub(crate) fn reply_lost() -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A client sent a command again and again to a runtime that had shut down, because the failure said that this may
    /// succeed.
    #[test]
    fn what_never_succeeds_on_the_same_handle_is_not_retryable() {
        let unavailable = |why| Failure::Unavailable(why).is_retryable();
        assert!(unavailable(Unavailable::Undone));
        assert!(unavailable(Unavailable::Recovery("busy".to_owned())));
        assert!(Failure::reply_lost().is_retryable());
        for failure in [Failure::shutting_down(), Failure::tokio_runtime_ended()] {
            assert!(!failure.is_retryable() && failure.written() == Written::No, "{failure}");
            assert!(!ExecuteError::<InvalidId>::Failed(failure).is_retryable());
        }
    }
}
