//! What a call answered, whatever its error type.

use actuarius::erasure::ForgetError;
use actuarius::erasure::keys::KeyError;
use actuarius::error::{ExecuteError, Failure, ReadError, StartError, Unavailable, WaitError};
use actuarius::operations::ArchivingError;
use actuarius::projection::{RebuildError, ViewReadError};
use actuarius::saga::SagaError;
use actuarius::store::backup::BackupError;
use actuarius::subscription::{ParkedError, ResetError};

use crate::common::Refused;

/// What a call answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Fine,
    /// The tokio runtime that opened the store has ended.
    TokioRuntimeEnded,
    /// The runtime is shutting down, or closed.
    ShutDown,
    /// The follower has stopped.
    Stopped,
    /// The store has failed.
    Poisoned,
    /// Anything else, which no cell expects.
    Other(String),
}

pub(crate) fn of<T, E: Into<Answer>>(result: Result<T, E>) -> Answer {
    result.map_or_else(Into::into, |_| Answer::Fine)
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(Unavailable::TokioRuntimeEnded) => Self::TokioRuntimeEnded,
            Failure::Unavailable(Unavailable::ShuttingDown) => Self::ShutDown,
            Failure::Unreadable(error) => error.into(),
            Failure::Poisoned(_) => Self::Poisoned,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ExecuteError<Refused>> for Answer {
    fn from(error: ExecuteError<Refused>) -> Self {
        match error {
            ExecuteError::Failed(failure) => failure.into(),
            ExecuteError::Rejected(_) => Self::Other("rejected".to_owned()),
        }
    }
}

impl From<ReadError> for Answer {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::ShutDown,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<WaitError> for Answer {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Stopped { .. } => Self::Stopped,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<StartError> for Answer {
    fn from(error: StartError) -> Self {
        match error {
            StartError::TokioRuntimeEnded => Self::TokioRuntimeEnded,
            StartError::ShuttingDown => Self::ShutDown,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<SagaError> for Answer {
    fn from(error: SagaError) -> Self {
        match error {
            SagaError::Failed(failure) => failure.into(),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<RebuildError> for Answer {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::Stopped => Self::Stopped,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ParkedError> for Answer {
    fn from(error: ParkedError) -> Self {
        match error {
            ParkedError::Stopped => Self::Stopped,
            // Nothing is parked here, so this is what a running subscription answers.
            ParkedError::NotParked { .. } => Self::Fine,
            ParkedError::NotStored { .. } => Self::Poisoned,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ResetError> for Answer {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Stopped => Self::Stopped,
            ResetError::Read(error) => error.into(),
            ResetError::NotStored { .. } => Self::Poisoned,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ArchivingError> for Answer {
    fn from(error: ArchivingError) -> Self {
        match error {
            ArchivingError::Failed(failure) => failure.into(),
            // The store that fails on demand has none.
            ArchivingError::Unsupported => Self::Fine,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<BackupError> for Answer {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Read(error) => error.into(),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ForgetError> for Answer {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::ShuttingDown | ForgetError::Keys(KeyError::Closed) => Self::ShutDown,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<ViewReadError> for Answer {
    fn from(error: ViewReadError) -> Self {
        match error {
            ViewReadError::Closed => Self::ShutDown,
            other => Self::Other(other.to_string()),
        }
    }
}
