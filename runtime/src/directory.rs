use std::hash::BuildHasher;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Id};
use dashmap::DashMap;

use crate::actor::Seat;
use crate::admission::Permit;
use crate::engine::Engine;
use crate::error::{Failure, Quarantine};
use crate::hosting::Hosting;
use crate::request::Request;
use crate::residency::Residency;
use crate::slot::{Epoch, Pushed, Slot};
use crate::telemetry::Meters;

type Slots<A> = DashMap<Arc<str>, Arc<Slot<A>>, foldhash::fast::RandomState>;

/// One hosted aggregate type: its directory, id → slot, and what its aggregates share.
///
/// Lock order is slot, then shard of the directory: a sender never holds a shard while it locks a
/// slot.
pub(crate) struct Host<A: Aggregate> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) hosting: Hosting,
    pub(crate) residency: Residency<A>,
    pub(crate) meters: Meters,
    slots: Slots<A>,
}

impl<A: Aggregate> Host<A> {
    pub(crate) fn new(engine: Arc<Engine>, hosting: Hosting) -> Self {
        Self {
            engine,
            residency: Residency::new(hosting.resident_limit),
            hosting,
            meters: Meters::of(A::TYPE),
            slots: Slots::with_hasher(foldhash::fast::RandomState::default()),
        }
    }

    /// Lets a command in, unless the store is past taking it.
    pub(crate) fn admit_command(&self) -> Result<Permit, Failure> {
        match self.engine.failure() {
            Some(failure) => Err(Failure::Poisoned(failure.clone())),
            None => self.admit_query(),
        }
    }

    /// Lets a query in.
    pub(crate) fn admit_query(&self) -> Result<Permit, Failure> {
        self.engine.admission.enter().inspect_err(|failure| self.meters.refused(failure))
    }

    /// Brings a request to its aggregate, starting it if need be.
    pub(crate) fn send(self: &Arc<Self>, id: &Id<A>, mut request: Request<A>) {
        loop {
            let slot = self.slot(id);
            match slot.push(request, self.hosting.inbox_limit) {
                Pushed::Queued => return,
                Pushed::Start(epoch) => return self.start(slot, epoch),
                Pushed::Refused(request, failure) => {
                    self.meters.refused(&failure);
                    return request.fail(failure);
                }
                // It left between the look-up and now; the next look-up finds another.
                Pushed::Closed(returned) => request = returned,
            }
        }
    }

    /// Starts an incarnation for what waits in the slot.
    pub(crate) fn start(self: &Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch) {
        let shard = self.slots.hasher().hash_one(slot.stream.id()) as usize;
        self.engine.supervision.start(shard, Arc::new(Seat { host: self.clone(), slot, epoch }));
    }

    /// Has one aggregate leave memory as soon as it has nothing to do; false if it is not there.
    pub(crate) fn passivate(&self, id: &Id<A>) -> bool {
        let slot = self.slots.get(id.as_str()).map(|entry| entry.clone());
        slot.is_some_and(|slot| slot.leave_when_idle())
    }

    /// An incarnation has left memory, however it did.
    pub(crate) fn left(&self) {
        self.residency.left();
        self.meters.left();
    }

    /// Takes a slot out of the directory, if it is still the one there.
    pub(crate) fn forget(&self, slot: &Arc<Slot<A>>) {
        self.slots.remove_if(&**slot.stream.shared_id(), |_, found| Arc::ptr_eq(found, slot));
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
            request.fail(Failure::Quarantined(why.clone()));
        }
        why
    }

    /// Puts a quarantined aggregate back into service; false if it was not quarantined.
    pub(crate) fn release(&self, id: &Id<A>) -> bool {
        let slot = self.slots.get(id.as_str()).map(|entry| entry.clone());
        let released = slot.is_some_and(|slot| slot.release());
        if released {
            self.residency.released(id.as_str());
        }
        released
    }

    fn slot(&self, id: &Id<A>) -> Arc<Slot<A>> {
        if let Some(slot) = self.slots.get(id.as_str()) {
            return slot.clone();
        }
        let vacant = || Arc::new(Slot::new(id.stream()));
        self.slots.entry(id.shared().clone()).or_insert_with(vacant).clone()
    }
}

/// What the runtime does with a hosted type without knowing the type.
pub(crate) trait Hosted: Send + Sync {
    /// Has all aggregates leave memory as soon as they have nothing to do.
    fn passivate_all(&self);
    /// How many aggregates are in memory.
    fn resident(&self) -> usize;
    /// The aggregates out of service, up to a bound.
    fn quarantined(&self) -> Vec<Arc<Quarantine>>;
}

impl<A: Aggregate> Hosted for Host<A> {
    fn passivate_all(&self) {
        // The slots are copied out first: a slot is never locked while a shard is held.
        let slots: Vec<_> = self.slots.iter().map(|entry| entry.clone()).collect();
        for slot in slots {
            slot.leave_when_idle();
        }
    }

    fn resident(&self) -> usize {
        self.residency.resident()
    }

    fn quarantined(&self) -> Vec<Arc<Quarantine>> {
        self.residency.quarantines()
    }
}
