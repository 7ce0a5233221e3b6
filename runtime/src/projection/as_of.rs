//! Views of the past: what `as_of` returns, and why it may fail.

use actuarius_domain::Position;
use actuarius_persistence::views::ViewError;
use actuarius_persistence::{AmbiguousTime, ReadError};
use thiserror::Error;

use super::target::Failed;
use crate::history::PositionAtError;

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
    /// Commits are out of order around the requested time. Use a position: one of those in it, or what
    /// [`Runtime::position_at_with`](crate::Runtime::position_at_with) returns.
    #[error(transparent)]
    AmbiguousTime(Box<AmbiguousTime>),
    /// The log could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl From<PositionAtError> for AsOfError {
    fn from(error: PositionAtError) -> Self {
        match error {
            PositionAtError::Ambiguous(ambiguous) => Self::AmbiguousTime(ambiguous),
            PositionAtError::Unreadable(error) => Self::Unreadable(error),
        }
    }
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
