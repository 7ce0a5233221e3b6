use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use thiserror::Error;

/// Why the parked events of a key are not all handled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParkedError {
    /// Nothing is parked under this key. Nothing was changed.
    #[error("nothing is parked under {key:?}")]
    NotParked {
        /// The key.
        key: String,
    },
    /// They are being retried already. Nothing was changed by this call.
    #[error("the events parked under {key:?} are being retried")]
    UnderWay {
        /// The key.
        key: String,
    },
    /// An event failed again: it stays parked as the first of its key, with all behind it. Those
    /// before it were handled, and are parked no more.
    #[error("the parked event at position {position} failed again: {why}")]
    StillFails {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// An event, or what follows it, could not be read again. It is the first of its key; those
    /// before it were handled, and are parked no more.
    #[error("the parked event at position {position} could not be read: {why}")]
    Unread {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// The store has failed. What was handled or skipped by this call is parked, or comes again, when
    /// the store is opened again; if it had failed before, nothing was handled.
    #[error("it could not be stored: {why}")]
    NotStored {
        /// What went wrong.
        why: String,
    },
    /// The subscription was stopped. What was not handled stays parked.
    #[error("the subscription was stopped")]
    Stopped,
}

/// Why a subscription was not reset.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// There is no such position yet. Nothing was changed.
    #[error("the log ends at {head}, before position {position}")]
    Ahead {
        /// The position asked for.
        position: Position,
        /// The end of the log.
        head: Position,
    },
    /// The log could not be read there. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new place could not be stored: the subscription has halted, and it is not known where it
    /// goes on when the store is opened again.
    #[error("it could not be stored: {why}")]
    NotStored {
        /// What went wrong.
        why: String,
    },
    /// The subscription was stopped. Nothing was changed.
    #[error("the subscription was stopped")]
    Stopped,
}
