//! `ProjectionHandle`: what every running projection can be asked for.

use std::future::Future;
use std::ops::Deref;

use actuarius_domain::Position;

use super::host::Hosted;
use crate::base::keep_alive::KeepAlive;
use crate::follow::building::Building;
use crate::follow::followers::DesiredState;
use crate::follow::handle::FollowerHandle;

/// The handle of a running projection of any kind. Cheap to clone.
///
/// [`InMemory`](super::InMemory), [`Keyed`](super::Keyed) and [`InDatabase`](super::InDatabase) dereference to
/// it. It dereferences to [`FollowerHandle`], which reports the position and the status and waits for a
/// position.
#[derive(Clone)]
pub struct ProjectionHandle {
    follower: FollowerHandle,
    building: Building,
    _alive: KeepAlive,
}

impl Deref for ProjectionHandle {
    type Target = FollowerHandle;

    fn deref(&self) -> &FollowerHandle {
        &self.follower
    }
}

impl ProjectionHandle {
    pub(crate) fn new(Hosted { shared, building }: Hosted, inner: KeepAlive) -> Self {
        Self { follower: FollowerHandle::of(shared), building, _alive: inner }
    }

    /// Returns the position up to which a new view has all events that is built to replace this one: by a
    /// rebuild, or because the version was raised and an older one is read until then. `None` if none is
    /// being built.
    #[must_use]
    pub fn building(&self) -> Option<Position> {
        self.building.position()
    }

    /// Takes no more events until [`resume`](Self::resume); the view can still be read. When this returns, the
    /// projection is paused. A halted projection stays halted, and its status still reports it.
    ///
    /// It is asked to pause when this method is called, not when the future is first polled. Returns early if
    /// the projection was stopped or resumed.
    pub fn pause(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared().want(DesiredState::Pause);
        let shared = self.shared().clone();
        async move { shared.until_paused().await }
    }

    /// Continues after a pause, or retries what the projection has halted at.
    pub fn resume(&self) {
        self.shared().want(DesiredState::Run);
    }
}
