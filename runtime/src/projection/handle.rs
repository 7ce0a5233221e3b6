use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;

use super::building::Building;
use super::host::Hosted;
use crate::base::keep_alive::KeepAlive;
use crate::follow::followers::{
    DesiredState, FollowerHealth, FollowerShared, FollowerStatus, WaitError,
};

/// How long a wait for a projection takes at most, unless told otherwise.
pub(crate) const WAITS_AT_MOST: Duration = Duration::from_secs(5);

/// What every projection can be asked for. [`InMemory`](crate::projection::InMemory), [`Keyed`](crate::projection::Keyed)
/// and [`InDatabase`](crate::projection::InDatabase) all are one.
#[derive(Clone)]
pub struct ProjectionHandle {
    shared: Arc<FollowerShared>,
    building: Building,
    _alive: KeepAlive,
}

impl ProjectionHandle {
    pub(crate) fn new(Hosted { shared, building }: Hosted, inner: KeepAlive) -> Self {
        Self { shared, building, _alive: inner }
    }

    pub(crate) fn shared(&self) -> &Arc<FollowerShared> {
        &self.shared
    }

    /// The name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The position up to which the view that is read has all events.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.progress.position()
    }

    /// The position up to which another view has all events that is being built to be read in place
    /// of this one: by a rebuild, or because the version was raised and an older one is read as well.
    /// None when none is being built.
    #[must_use]
    pub fn building(&self) -> Option<Position> {
        self.building.position()
    }

    /// How many events the view is behind the end of the log.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.shared.lag()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        self.shared.status()
    }

    /// Name, status, position and lag in one.
    #[must_use]
    pub fn health(&self) -> FollowerHealth {
        self.shared.health()
    }

    /// Waits until the view shows everything up to `position`, for instance a receipt's; at most 5
    /// seconds. Reads behind it see one's own writes.
    ///
    /// # Errors
    /// [`WaitError`]: it did not get there. The command whose receipt it was is durable all the same.
    pub async fn wait_for(&self, position: Position) -> Result<(), WaitError> {
        self.wait_for_within(position, WAITS_AT_MOST).await
    }

    /// Like [`wait_for`](ProjectionHandle::wait_for), with a time of one's own.
    ///
    /// # Errors
    /// [`WaitError`], as there.
    pub async fn wait_for_within(
        &self,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        self.shared.wait_for(position, within).await
    }

    /// Takes no more events until [`resume`](ProjectionHandle::resume); the view can be read on. One
    /// that has halted goes on saying so.
    pub fn pause(&self) {
        self.shared.want(DesiredState::Pause);
    }

    /// Goes on after a pause, or tries again after it has halted.
    pub fn resume(&self) {
        self.shared.want(DesiredState::Run);
    }

    /// Stops the projection, which keeps what it has; it can be started again under its name. The
    /// view can be read on.
    pub async fn stop(&self) {
        self.shared.want(DesiredState::Stop);
        self.shared.until(|status| *status == FollowerStatus::Stopped).await;
    }
}
