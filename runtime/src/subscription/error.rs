//! Why operations on a running subscription fail.

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use thiserror::Error;

/// Why the parked events of a key were not all handled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParkedError {
    /// Nothing is parked under this key. Nothing was changed.
    #[error("nothing is parked under {key:?}")]
    NotParked {
        /// The key.
        key: String,
    },
    /// The events are being retried already. Nothing was changed by this call.
    #[error("the events parked under {key:?} are being retried")]
    UnderWay {
        /// The key.
        key: String,
    },
    /// An event failed again: it stays parked as the first of its key, with all later ones. The events before
    /// it were handled and are no longer parked.
    #[error("the parked event at position {position} failed again: {why}")]
    StillFails {
        /// The position of the event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// An event, or what follows it, could not be read again. It is the first of its key; the events before
    /// it were handled and are no longer parked. Try again.
    #[error("the parked event at position {position} could not be read: {why}")]
    Unread {
        /// The position of the event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// The store has failed. What this call handled or skipped is parked or delivered again once the store is
    /// opened again; if the store had failed before, nothing was handled.
    #[error("the result could not be stored: {why}")]
    NotStored {
        /// What went wrong.
        why: String,
    },
    /// The subscription was stopped. Events that were not handled stay parked.
    #[error("the subscription was stopped")]
    Stopped,
}

/// Why a subscription was not reset.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The log does not reach this position yet. Nothing was changed.
    #[error("the log ends at {head}, before position {position}")]
    Ahead {
        /// The requested position.
        position: Position,
        /// The end of the log.
        head: Position,
    },
    /// The log could not be read there. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new place could not be stored: the subscription has halted, and may continue from either place
    /// once the store is opened again.
    #[error("the new place could not be stored: {why}")]
    NotStored {
        /// What went wrong.
        why: String,
    },
    /// The subscription was stopped. Nothing was changed.
    #[error("the subscription was stopped")]
    Stopped,
}
