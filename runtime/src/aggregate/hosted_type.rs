use std::sync::Arc;

use actuarius_domain::{Aggregate, StreamId, Version};
use actuarius_persistence::keys::Subjects;

use super::hosting::Hosting;
use super::inbox::Slot;
use super::residency::Residency;
use crate::base::error::{Failure, Quarantine};
use crate::base::telemetry::Meters;
use crate::engine::Engine;

/// What all aggregates of one type share, wherever they are.
pub(crate) struct HostedType<A: Aggregate> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) hosting: Hosting,
    pub(crate) residency: Residency<A>,
    pub(crate) meters: Meters,
}

impl<A: Aggregate> HostedType<A> {
    pub(crate) fn new(engine: Arc<Engine>, hosting: Hosting) -> Self {
        let residency = Residency::new(hosting.resident_limit);
        Self { engine, hosting, residency, meters: Meters::of(A::TYPE) }
    }

    /// An incarnation has come into memory.
    pub(crate) fn came(&self, slot: &Arc<Slot<A>>) {
        self.meters.activated();
        self.residency.came(slot);
    }

    /// An incarnation's state holds the clear text of these, which came in when so many had been
    /// forgotten.
    ///
    /// Who forgets a subject first destroys its key, and then looks for states that hold it. So a state
    /// that is noted here too late for that look finds that the number has changed.
    pub(crate) fn holds(&self, slot: &Slot<A>, subjects: &Subjects, forgotten: u64) {
        slot.holds(subjects);
        if !subjects.is_empty() && self.engine.keyring.forgotten() != forgotten {
            slot.renew();
        }
    }

    /// An incarnation has left memory, however it did.
    pub(crate) fn left(&self, slot: &Slot<A>) {
        self.residency.left(slot.take_asked());
        self.meters.left();
    }

    /// A replay could not begin with this snapshot.
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

    /// Puts an aggregate out of service and answers what waits for it.
    pub(crate) fn quarantine(&self, slot: &Slot<A>, why: Quarantine) -> Arc<Quarantine> {
        tracing::error!(
            target: "actuarius::aggregate",
            aggregate = why.aggregate,
            id = %why.id.escape_debug(),
            version = why.version.get(),
            reason = %why.reason,
            "quarantined"
        );
        self.meters.quarantined();
        let why = Arc::new(why);
        self.residency.quarantined(why.clone());
        for request in slot.quarantine(why.clone()) {
            request.fail(Failure::Quarantined(why.clone()), &self.meters);
        }
        why
    }
}
