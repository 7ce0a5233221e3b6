//! [`GuardedClock`]: the clock of a runtime, whose panics are caught.

use std::future::{Future, pending};
use std::sync::Arc;

use actuarius_domain::Timestamp;

use super::clock::Clock;
use super::panics::{caught, guarded};

/// The clock of a runtime, which may be the user's code.
pub(crate) struct GuardedClock(Arc<dyn Clock>);

impl GuardedClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }

    /// Returns the current time.
    ///
    /// # Errors
    /// Returns the message of the clock's panic. Use this where the time becomes that of an event.
    pub(crate) fn read(&self) -> Result<Timestamp, String> {
        guarded(|| self.0.now())
    }

    /// Returns the current time. If the clock panics, that is logged, and the result is a time before all events: then
    /// nothing is due, and nothing is old enough to be removed.
    pub(crate) fn now(&self) -> Timestamp {
        self.read().unwrap_or_else(|panic| {
            // A tracing layer may panic as well.
            let _ = guarded(
                || tracing::error!(target: "actuarius::clock", panic, "the clock panicked"),
            );
            Timestamp::default()
        })
    }

    /// Completes once the clock has been moved by hand. Never completes if that panics: the clock is read every
    /// second anyway.
    pub(crate) fn moved(&self) -> impl Future<Output = ()> + Send + '_ {
        let moved = guarded(|| self.0.moved());
        async {
            if let Ok(moved) = moved
                && caught(moved).await.is_ok()
            {
                return;
            }
            pending::<()>().await;
        }
    }
}
