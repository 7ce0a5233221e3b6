//! Views of the past: what `as_of` returns, and why it may fail.

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use actuarius_persistence::views::ViewError;
use thiserror::Error;

use super::target::Failed;

/// A view in memory as it was at a moment of the log. It is separate from a running projection of the same
/// name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastView<P> {
    /// The view.
    pub view: P,
    /// The position of the last event it has. It has every followed event before it.
    pub position: Position,
}

/// Why a view of the past could not be built. Nothing was changed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AsOfError {
    /// No aggregate type was given with `on`.
    #[error("{0:?} follows no aggregate type")]
    FollowsNothing(String),
    /// `project` panicked at an event, or the event does not decode. Fix the code and try again.
    #[error("the view failed at position {position}: {why}")]
    Failed {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// The log could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl From<Failed> for AsOfError {
    fn from(Failed { position, why }: Failed) -> Self {
        Self::Failed { position, why }
    }
}

impl From<ViewError> for AsOfError {
    fn from(error: ViewError) -> Self {
        Failed::at(Position::NONE, error).into()
    }
}
