use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use actuarius_persistence::views::ViewError;
use thiserror::Error;

use super::target::Failed;

/// A view in memory as it was at a moment of the log, built aside. A projection of the same name that runs is
/// not concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastView<P> {
    /// What it showed.
    pub view: P,
    /// The position of the last event it has: all of those before it that were followed, too.
    pub position: Position,
}

/// Why a view of the past could not be built. Nothing was changed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AsOfError {
    /// No aggregate type was given with `on`.
    #[error("{0:?} follows no aggregate type")]
    FollowsNothing(String),
    /// `project` panicked at an event, or the event does not decode. Mend the code and ask again.
    #[error("the view cannot get past position {position}: {why}")]
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
