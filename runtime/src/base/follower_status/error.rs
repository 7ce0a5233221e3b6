use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use actuarius_persistence::views::ViewError;
use thiserror::Error;

/// Any error: what handlers and the user's databases may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a subscription or a projection did not start. Nothing was handled, projected or stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name is not 1 to 128 ASCII letters, digits, `-`, `_` and `.`, or begins with a point.
    #[error("{0:?} cannot name a subscription or a projection")]
    InvalidName(String),
    /// One of this name is running. Stop it first, or choose another name.
    #[error("a subscription, projection or saga named {0:?} is running")]
    NameTaken(String),
    /// No aggregate type was given with `on`.
    #[error("{0:?} follows no aggregate type")]
    FollowsNothing(String),
    /// It has finished more events than the log has. A view, or a database: the log is another one, or
    /// was restored from an older backup than it. A checkpoint lies in the log's own store, so there
    /// the log has lost events. Start it `from_scratch` once it is known why.
    #[error("{name:?} is at position {checkpoint}, but the log ends at {head}")]
    Ahead {
        /// The follower.
        name: String,
        /// The position it has finished.
        checkpoint: Position,
        /// The end of the log.
        head: Position,
    },
    /// Its view was made from the events of other aggregate types than it follows now, so that it lacks
    /// some, or has too many. Raise the version of the projection, or start it `from_scratch`: it is
    /// built anew. Or follow the types it followed before.
    #[error(
        "{name:?} was made from the events of {before}, and follows {now} now: raise its version, \
         or start it from_scratch"
    )]
    OtherTypes {
        /// The projection.
        name: String,
        /// The types its view was made from, with commas between them.
        before: String,
        /// The types it follows now.
        now: String,
    },
    /// Its checkpoint was made in another store, whose positions mean other events.
    #[error("the checkpoint of {0:?} belongs to another store")]
    OtherStore(String),
    /// Its checkpoint or its parked events are damaged, or could not be read.
    #[error("the checkpoint of {name:?} cannot be read: {source}")]
    Checkpoint {
        /// The follower.
        name: String,
        /// What is wrong.
        source: ReadError,
    },
    /// The view of a saga's instances does not get to the end of the log. Nothing is lost; its
    /// [`health`](crate::Runtime::health) says what is in the way.
    #[error("the instances of {name:?} cannot be known: {source}")]
    Instances {
        /// The saga.
        name: String,
        /// What is in the way.
        source: WaitError,
    },
    /// The place of its view could not be opened or read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The user's database refused.
    #[error("the database of {name:?} refused: {source}")]
    Database {
        /// The projection.
        name: String,
        /// What it said.
        source: BoxError,
    },
    /// The runtime is shutting down, poisoned or closed.
    #[error("the runtime takes no more followers")]
    ShuttingDown,
}

/// Why a wait for a position ended before it was reached. The command itself is durable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over. It may still get there.
    #[error("{name:?} is at position {reached}, and did not reach {wanted} in time")]
    TimedOut {
        /// The follower.
        name: String,
        /// The position waited for.
        wanted: Position,
        /// The position it has come to.
        reached: Position,
    },
    /// It has halted before the position. Mend the cause, then let it resume.
    #[error("{name:?} has halted at position {at}: {why}")]
    Halted {
        /// The follower.
        name: String,
        /// The event it could not get past.
        at: Position,
        /// Why.
        why: String,
    },
    /// It was stopped before the position.
    #[error("{name:?} was stopped")]
    Stopped {
        /// The follower.
        name: String,
    },
}
