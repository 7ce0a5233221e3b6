//! Errors of followers: why one did not start, and why a wait for one ended.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use actuarius_persistence::views::ViewError;
use thiserror::Error;
use uuid::Uuid;

use super::FollowerStatus;
use crate::base::schema_error::SchemaError;

/// Any error: the error type of handlers and of the user's databases.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a subscription, a projection or a saga did not start. Nothing was handled, projected or stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name is not 1 to 128 ASCII letters, digits, `-`, `_` and `.`, or begins with a `.`. Choose
    /// another name.
    #[error("{0:?} cannot name a subscription or a projection")]
    InvalidName(String),
    /// A follower of this name is running. Stop it first, or choose another name.
    #[error("a subscription, projection or saga named {0:?} is running")]
    NameTaken(String),
    /// No aggregate type was given with `on`. Add one.
    #[error("{0:?} follows no aggregate type")]
    FollowsNothing(String),
    /// It has finished more events than the log has. For a view or a database, the log is another one, or
    /// was restored from an older backup. A checkpoint is kept in the same store as the log, so for a
    /// subscription the log has lost events. Find the cause, then start it `from_scratch`.
    #[error("{name:?} is at position {checkpoint}, but the log ends at {head}")]
    Ahead {
        /// The follower.
        name: String,
        /// The position it has finished.
        checkpoint: Position,
        /// The end of the log.
        head: Position,
    },
    /// The database has events of another history: of a store that this one was restored from, after the position of
    /// the backup, or of another store. Start it with an empty database, or restore the database to the same moment.
    #[error(
        "{name:?} is at position {position} of store {store}, whose history this store does not share up to there"
    )]
    OtherHistory {
        /// The follower.
        name: String,
        /// The store whose events the database has.
        store: Uuid,
        /// The position up to which it has them.
        position: Position,
    },
    /// Its view was built from the events of other aggregate types than it follows now, so events are
    /// missing from it or too many are in it. Raise the version of the projection, or start it
    /// `from_scratch`: both rebuild the view. Or follow the same types as before.
    #[error(
        "{name:?} was built from the events of {before} and now follows {now}: raise its version, \
        or start it from_scratch"
    )]
    OtherTypes {
        /// The projection.
        name: String,
        /// The types its view was built from, separated by commas.
        before: String,
        /// The types it follows now, separated by commas.
        now: String,
    },
    /// It receives events that it did not receive before, and it has passed the earlier ones of them. Choose with
    /// `on_widening` whether it continues from here, or begins again; for a database, let it continue with
    /// `accepts_widening`. Or let another follower receive them.
    #[error(
        "{name:?} has finished the log up to position {position} without {events}: \
        choose with on_widening (a database: accepts_widening) whether it continues without them"
    )]
    Widened {
        /// The follower.
        name: String,
        /// The position it has finished.
        position: Position,
        /// The events that it did not receive before, separated by commas.
        events: String,
    },
    /// A handler names an event type that its aggregate type does not have, or the schema versions and
    /// upcasters of an aggregate type that it follows do not fit together. Correct the code.
    #[error("{name:?} cannot follow an aggregate type: {source}")]
    Schema {
        /// The follower.
        name: String,
        /// What does not fit.
        source: SchemaError,
    },
    /// Its checkpoint was written for another store, whose positions name other events.
    #[error("the checkpoint of {0:?} belongs to another store")]
    OtherStore(String),
    /// Its checkpoint or its parked events are damaged or could not be read.
    #[error("the checkpoint of {name:?} cannot be read: {source}")]
    Checkpoint {
        /// The follower.
        name: String,
        /// The error of the store.
        source: ReadError,
    },
    /// A saga reacts to events and names no aggregate type that it sends commands to. Add `sends_to`; if it sends
    /// nothing on purpose, add `sends_nothing`.
    #[error("the saga {0:?} reacts to events and has no `sends_to`: add it, or `sends_nothing`")]
    NoTargets(String),
    /// A live instance of a saga has sent a command to an aggregate type, or is going to, that the saga does not name.
    /// Add `sends_to` for the type, as long as instances of earlier releases are live.
    #[error(
        "instance {instance:?} of the saga {name:?} sends to {aggregate:?}: add `sends_to` for it"
    )]
    MissingTarget {
        /// The saga.
        name: String,
        /// The aggregate type that is missing.
        aggregate: String,
        /// The instance that sends to it; there may be more.
        instance: String,
    },
    /// The view of a saga's instances does not reach the end of the log. Nothing is lost; the view's
    /// entry in [`health`](crate::Runtime::health) reports the cause.
    #[error("the instances of {name:?} are not known: {source}")]
    Instances {
        /// The saga.
        name: String,
        /// Why the view did not reach it.
        source: WaitError,
    },
    /// The store of its view could not be opened or read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The user's database returned an error.
    #[error("the database of {name:?} failed: {source}")]
    Database {
        /// The projection.
        name: String,
        /// The error of the database.
        source: BoxError,
    },
    /// The runtime is shutting down, poisoned or closed. Open it again.
    #[error("the runtime is shutting down, poisoned or closed")]
    ShuttingDown,
    /// The tokio runtime that opened the store has ended. Drop every handle of the store, then open it in a
    /// tokio runtime that lives as long as they do.
    #[error("the tokio runtime that opened the store has ended")]
    TokioRuntimeEnded,
}

/// Why a wait for a position ended before it was reached. The command itself is durable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over. The follower may still reach the position.
    #[error("{name:?} is at position {reached}, and did not reach {wanted} in time")]
    TimedOut {
        /// The follower.
        name: String,
        /// The position waited for.
        wanted: Position,
        /// The position it has reached.
        reached: Position,
    },
    /// It has halted before the position. Repair the cause, then resume it.
    #[error("{name:?} has halted at position {at}: {why}")]
    Halted {
        /// The follower.
        name: String,
        /// The position of the event that it could not process.
        at: Position,
        /// Why it halted.
        why: String,
    },
    /// It was stopped before it reached the position.
    #[error("{name:?} was stopped")]
    Stopped {
        /// The follower.
        name: String,
    },
}

/// A follower that has not finished all events of an aggregate that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaggingFollower {
    /// The name it was started with. The subscription of a saga is named `saga.TYPE.events`.
    pub name: Arc<str>,
    /// Its state.
    pub status: FollowerStatus,
    /// The position it has finished. While it builds a view, that of the view.
    pub position: Position,
}

impl LaggingFollower {
    /// Returns whether it gets further without an operator.
    pub(crate) fn advances(&self) -> bool {
        match self.status {
            FollowerStatus::CatchingUp | FollowerStatus::Live | FollowerStatus::Retrying { .. } => {
                true
            }
            FollowerStatus::Paused | FollowerStatus::Halted { .. } | FollowerStatus::Stopped => {
                false
            }
        }
    }
}
