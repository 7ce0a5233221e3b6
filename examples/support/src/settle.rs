//! Waits until all instances of a saga have ended.

use std::time::Duration;

use actuarius::error::WaitError;
use actuarius::saga::{Saga, Sagas};
use actuarius::{Failure, Runtime};
use thiserror::Error;

/// The time limit for all events to be handled: enough for a slow disk.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(60);

/// The number of live instances that are listed at once.
const PAGE: usize = 1_000;

/// Why not all instances have ended.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The runtime failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// An instance cannot continue on its own.
    #[error("instance {0} needs an operator: {1}")]
    NeedsOperator(String, String),
    /// Not all events were handled in time.
    #[error("not all events were handled: {0}")]
    Waiting(#[from] WaitError),
}

/// Waits until every instance has ended, and returns how many were live.
///
/// # Errors
/// [`SettleError`].
pub async fn settle<S: Saga>(runtime: &Runtime, sagas: &Sagas<S>) -> Result<usize, SettleError> {
    let mut ended = 0;
    loop {
        runtime.caught_up(CATCH_UP_LIMIT).await?;
        let live = sagas.list("", PAGE, |_| true);
        if live.is_empty() {
            return Ok(ended);
        }
        ended += live.len();
        for instance in live {
            if instance.status.is_in_trouble() {
                let status = instance.status.to_string();
                return Err(SettleError::NeedsOperator(instance.id, status));
            }
            sagas.end_of(instance.id).await?;
        }
    }
}
