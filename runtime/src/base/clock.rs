//! Clocks: where the time of events comes from, and when schedules are due.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use actuarius_domain::Timestamp;
use tokio::sync::watch;

use super::clock_watch;

/// Where the time of events comes from. The order of events never depends on it, and the history of an
/// aggregate never goes back in time, even if its clock does.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Completes once the clock has been moved by hand, after this call or shortly before it. A clock
    /// that advances by itself never completes it: the runtime reads such a clock every second, however it
    /// steps.
    fn moved(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// The system's wall clock. A jump by more than a minute is logged, counted and part of
/// [`Health`](crate::health::Health).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().into();
        clock_watch::system_shows(now);
        now
    }
}

/// A clock that stands still until it is moved, for tests. Opens a runtime with
/// [`RuntimeBuilder::clock`](crate::RuntimeBuilder::clock); share it in an `Arc`.
///
/// ```
/// use std::time::Duration;
/// use actuarius::{Clock, Timestamp};
/// use actuarius::clock::ManualClock;
///
/// let clock = ManualClock::at(Timestamp::from_micros(0));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now(), Timestamp::from_micros(1_000_000));
/// ```
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Timestamp::default())
    }
}

impl ManualClock {
    /// Creates a clock that stands at `time`.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self(watch::Sender::new(time))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.plus(by));
    }

    /// Sets the clock to any time, also to an earlier one.
    pub fn set(&self, time: Timestamp) {
        self.0.send_replace(time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn moved(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut moved = self.0.subscribe();
        Box::pin(async move {
            // The clock holds the sender, so this never fails.
            let _ = moved.changed().await;
        })
    }
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn moved(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        (**self).moved()
    }
}
