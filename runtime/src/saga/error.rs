use actuarius_domain::InvalidId;
use thiserror::Error;

use super::draft::Refused;
use super::host::StepError;
use crate::base::error::{ExecuteError, Failure};

/// Why an instance of a saga could not be begun, looked at or told something.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SagaError {
    /// The instance is quarantined or stuck. Nothing was written; have it
    /// [retried](crate::Sagas::retry) or [skipped](crate::Sagas::skip) first.
    #[error("the instance is out of service: {0}")]
    InTrouble(String),
    /// What is to follow cannot be written down: it is sent to a type that was not named with
    /// `sends_to`, or does not encode. Nothing was written; mend the code.
    #[error("what follows cannot be written down: {0}")]
    Unwritable(String),
    /// The instance is neither quarantined nor stuck, or there is none of that name. Nothing was written.
    #[error("no instance {0:?} is out of service")]
    NotInTrouble(String),
    /// The runtime could not do it; the failure says whether anything was written.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StepError> for SagaError {
    fn from(error: StepError) -> Self {
        match error {
            ExecuteError::Rejected(Refused::Troubled(why)) => Self::InTrouble(why),
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
