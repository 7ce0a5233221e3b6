//! `FollowerHandle`: what every projection and every subscription reports, and how to wait for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;

use super::followers::{DesiredState, FollowerHealth, FollowerShared, FollowerStatus, WaitError};

/// How long a caller waits that names no limit: long enough for a view that keeps up, short enough for a
/// request of a service.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The part that the handles of projections and of subscriptions have in common. Cheap to clone; the follower
/// continues after it is dropped.
///
/// [`ProjectionHandle`](crate::projection::ProjectionHandle) and
/// [`Subscription`](crate::subscription::Subscription) dereference to it.
#[derive(Clone)]
pub struct FollowerHandle {
    shared: Arc<FollowerShared>,
}

impl FollowerHandle {
    pub(crate) fn of(shared: Arc<FollowerShared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<FollowerShared> {
        &self.shared
    }

    /// Returns the name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the position it has finished: the view that is read shows every event up to there; or every
    /// event up to there is handled, parked, or taken by no handler.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.progress.position()
    }

    /// Returns the distance from the position to the end of the log, in events.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.shared.lag()
    }

    /// Returns the current status.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        self.shared.status()
    }

    /// Returns name, status, position and lag together.
    #[must_use]
    pub fn health(&self) -> FollowerHealth {
        self.shared.health()
    }

    /// Waits until everything up to `position`, such as that of a [`Receipt`](crate::Receipt), is finished.
    /// Later reads of a view show the caller's own writes.
    ///
    /// It waits at most 5 seconds; [`wait_for_within`](Self::wait_for_within) sets another limit.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, the follower has halted at or before `position`, or was stopped.
    /// The events are durable all the same.
    pub async fn wait_for(&self, position: Position) -> Result<(), WaitError> {
        self.wait_for_within(position, WAIT_MAX).await
    }

    /// Waits like [`wait_for`](Self::wait_for), at most for `time`.
    ///
    /// # Errors
    /// [`WaitError`], as there.
    pub async fn wait_for_within(
        &self,
        position: Position,
        time: Duration,
    ) -> Result<(), WaitError> {
        self.shared.wait_for_within(position, time).await
    }

    /// Finishes the work in progress, then ends the follower. When this returns, its position is stored,
    /// unless its store has failed; it continues there when it is started again under its name. A view can
    /// still be read.
    ///
    /// It is asked to stop when this method is called, not when the future is first polled.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared.want(DesiredState::Stop);
        let shared = self.shared.clone();
        async move { drop(shared.until(|status| *status == FollowerStatus::Stopped).await) }
    }
}
