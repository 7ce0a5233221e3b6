//! [`HostedType`]: what all aggregates of one type share.

use std::sync::Arc;

use actuarius_domain::{Aggregate, StreamId, Version};
use actuarius_persistence::personal::Subjects;

use super::hosting::Hosting;
use super::inbox::{Epoch, Slot};
use super::residency::Residency;
use super::timed_hosting::TimedHosting;
use super::timers::Timers;
use crate::base::error::{Failure, Quarantine, Unavailable};
use crate::base::panics::guarded;
use crate::base::telemetry::Meters;
use crate::engine::Engine;
use crate::schema::recording::EventShapes;

/// What all aggregates of one type share.
pub(crate) struct HostedType<A: Aggregate> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) hosting: Hosting,
    pub(crate) residency: Residency<A>,
    pub(crate) meters: Meters,
    pub(crate) event_shapes: EventShapes,
    /// `None` if the type has none.
    pub(crate) timers: Option<Arc<Timers<A>>>,
}

impl<A: Aggregate> HostedType<A> {
    pub(crate) fn new(engine: Arc<Engine>, hosting: impl Into<TimedHosting<A>>) -> Self {
        let TimedHosting { hosting, timers } = hosting.into();
        let residency = Residency::new(hosting.resident_limit);
        let (meters, event_shapes) = (Meters::of(A::TYPE), EventShapes::of::<A>());
        let timers = (!timers.is_empty()).then(|| Arc::new(Timers::new(engine.clone(), timers)));
        Self { engine, hosting, residency, meters, event_shapes, timers }
    }

    /// Waits until the timers of the type are known.
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        match &self.timers {
            Some(timers) => timers.ready().await,
            None => Ok(()),
        }
    }

    /// Records that an incarnation was loaded.
    pub(crate) fn loaded(&self, slot: &Arc<Slot<A>>) {
        self.meters.activated();
        self.residency.loaded(slot);
    }

    /// Records that an incarnation's state may hold clear text of `subjects`, read when `forgotten`
    /// subjects had been forgotten.
    ///
    /// Forgetting a subject first destroys its key, and then searches for states that hold it. A state
    /// that is recorded too late for that search sees here that the number has changed.
    pub(crate) fn set_subjects(&self, slot: &Slot<A>, subjects: &Subjects, forgotten: u64) {
        slot.set_subjects(subjects);
        if !subjects.is_empty() && self.engine.keyring.forgotten() != forgotten {
            slot.request_rebuild();
        }
    }

    /// Records that an incarnation is no longer in memory, for whatever reason.
    pub(crate) fn unloaded(&self, slot: &Slot<A>, epoch: Epoch) {
        self.residency.unloaded(slot.end_eviction(epoch));
        self.meters.unloaded();
    }

    /// Reports that a replay could not start from this snapshot.
    pub(crate) fn ignored_snapshot(&self, stream: &StreamId, version: Version, why: &str) {
        self.meters.snapshot_ignored();
        tracing::warn!(
            target: "actuarius::recovery",
            %stream,
            version = version.get(),
            why,
            "a snapshot is ignored; the state is rebuilt from events"
        );
    }

    /// Puts an aggregate out of service and answers its waiting requests.
    pub(crate) fn quarantine(&self, slot: &Slot<A>, why: Quarantine) -> Arc<Quarantine> {
        let why = Arc::new(why);
        let list = || self.residency.quarantined(why.clone());
        for request in slot.quarantine(why.clone(), list) {
            request.fail(Failure::Quarantined(why.clone()), &self.meters);
        }
        // A metrics recorder or a tracing layer may panic; the caller still has to keep the slot.
        let _ = guarded(|| {
            self.meters.quarantined();
            tracing::error!(
                target: "actuarius::aggregate",
                aggregate = why.aggregate,
                id = %why.id.escape_debug(),
                version = why.version.get(),
                reason = %why.reason,
                "quarantined"
            );
        });
        why
    }
}
