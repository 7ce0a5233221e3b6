//! Why an operation on an instance of a saga failed.

use actuarius_domain::InvalidId;
use thiserror::Error;

use super::draft::Refused;
use super::host::StepError;
use crate::base::error::{ExecuteError, Failure};

/// Why an instance of a saga could not be begun, read or changed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SagaError {
    /// The instance is quarantined or stuck. Nothing was written; have it
    /// [retried](crate::saga::Sagas::retry) or [skipped](crate::saga::Sagas::skip) first.
    #[error("the instance is quarantined or stuck: {0}")]
    InTrouble(String),
    /// A command or deadline cannot be encoded, or its aggregate type was not named with `sends_to`.
    /// Nothing was written; fix the code.
    #[error("a command or deadline cannot be encoded: {0}")]
    Unwritable(String),
    /// The instance is neither quarantined nor stuck, or does not exist. Nothing was written.
    #[error("instance {0:?} is not quarantined or stuck")]
    NotInTrouble(String),
    /// The runtime failed; the [`Failure`] says whether anything was written.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StepError> for SagaError {
    fn from(error: StepError) -> Self {
        match error {
            ExecuteError::Rejected(Refused::InTrouble(why)) => Self::InTrouble(why),
            ExecuteError::Rejected(Refused::Unwritable(why)) => Self::Unwritable(why),
            ExecuteError::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<InvalidId> for SagaError {
    fn from(error: InvalidId) -> Self {
        Self::Failed(error.into())
    }
}
