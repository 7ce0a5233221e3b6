use std::hash::BuildHasher;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Id};
use actuarius_persistence::keys::Fingerprint;
use dashmap::DashMap;

use super::activation::{Activation, SlotOwner};
use super::hosted_type::HostedType;
use super::inbox::{Epoch, Pushed, Slot};
use super::request::Request;
use crate::base::error::{Failure, Quarantine};
use crate::commit::admission::Permit;

type Slots<A> = DashMap<Arc<str>, Arc<Slot<A>>, foldhash::fast::RandomState>;

/// A request that was let in: whom it is for, and its place.
pub(crate) type Admitted<A> = (Id<A>, Permit);

/// The aggregates of one type by id: each has a slot here as long as it is in memory, or wanted.
///
/// Lock order is slot, then shard of the map: a sender never holds a shard while it locks a slot.
pub(crate) struct Directory<A: Aggregate> {
    pub(crate) hosted: Arc<HostedType<A>>,
    slots: Slots<A>,
}

impl<A: Aggregate> Directory<A> {
    pub(crate) fn new(hosted: HostedType<A>) -> Self {
        let slots = Slots::with_hasher(foldhash::fast::RandomState::default());
        Self { hosted: Arc::new(hosted), slots }
    }

    /// Lets a command in, unless the store is past taking it.
    pub(crate) fn admit_command(&self, id: Result<Id<A>, Failure>) -> Result<Admitted<A>, Failure> {
        let admitted = match self.hosted.engine.failure() {
            Some(failure) => Err(Failure::Poisoned(failure.clone())),
            None => self.admit_query(id),
        };
        admitted.inspect_err(|failure| self.hosted.meters.refused(failure))
    }

    /// Lets a query in.
    pub(crate) fn admit_query(&self, id: Result<Id<A>, Failure>) -> Result<Admitted<A>, Failure> {
        Ok((id?, self.hosted.engine.admission.enter()?))
    }

    /// Brings a request to its aggregate, starting it if need be.
    pub(crate) fn send(self: &Arc<Self>, id: &Id<A>, mut request: Request<A>) {
        loop {
            let slot = self.slot(id);
            match slot.push(request, self.hosted.hosting.inbox_limit) {
                Pushed::Queued => return,
                Pushed::Start(epoch) => return self.clone().start(slot, epoch),
                Pushed::Refused(request, failure) => {
                    return request.fail(failure, &self.hosted.meters);
                }
                // It left between the look-up and now; the next look-up finds another.
                Pushed::Closed(returned) => request = returned,
            }
        }
    }

    /// Has one aggregate leave memory as soon as it has nothing to do; false if it is not there.
    pub(crate) fn passivate(&self, id: &Id<A>) -> bool {
        let slot = self.slots.get(id.as_str()).map(|entry| entry.clone());
        slot.is_some_and(|slot| slot.leave_when_idle())
    }

    /// Puts a quarantined aggregate back into service; false if it was not quarantined.
    pub(crate) fn release(&self, id: &Id<A>) -> bool {
        let slot = self.slots.get(id.as_str()).map(|entry| entry.clone());
        let released = slot.is_some_and(|slot| slot.release());
        if released {
            self.hosted.residency.released(id.as_str());
        }
        released
    }

    /// All slots, copied out: a slot is never locked while a shard is held.
    fn all(&self) -> Vec<Arc<Slot<A>>> {
        self.slots.iter().map(|entry| entry.clone()).collect()
    }

    fn slot(&self, id: &Id<A>) -> Arc<Slot<A>> {
        if let Some(slot) = self.slots.get(id.as_str()) {
            return slot.clone();
        }
        let vacant = || Arc::new(Slot::new(id.stream()));
        self.slots.entry(id.shared().clone()).or_insert_with(vacant).clone()
    }
}

impl<A: Aggregate> SlotOwner<A> for Directory<A> {
    fn start(self: Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch) {
        let shard = self.slots.hasher().hash_one(slot.stream.id()) as usize;
        let hosted = self.hosted.clone();
        let activation = Arc::new(Activation { hosted: hosted.clone(), slot, epoch, owner: self });
        hosted.engine.supervision.start(shard, activation);
    }

    fn forget(&self, slot: &Arc<Slot<A>>) {
        self.slots.remove_if(&**slot.stream.shared_id(), |_, found| Arc::ptr_eq(found, slot));
    }
}

/// Aggregates whose states are being rebuilt.
pub(crate) struct Renewing {
    pub(crate) aggregates: usize,
    pub(crate) is_done: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What the runtime does with a hosted type without knowing the type.
pub(crate) trait Hosted: Send + Sync {
    /// Has all aggregates leave memory as soon as they have nothing to do.
    fn passivate_all(&self);
    /// Has those rebuilt that may hold the clear text of a subject.
    fn renew_those_who_hold(&self, subject: Fingerprint) -> Renewing;
    /// Answers what waits for any of them; the runtime has closed.
    fn end_all(&self);
    /// How many aggregates are in memory.
    fn resident(&self) -> usize;
    /// The aggregates out of service, up to a bound.
    fn quarantined(&self) -> Vec<Arc<Quarantine>>;
}

impl<A: Aggregate> Hosted for Directory<A> {
    fn passivate_all(&self) {
        for slot in self.all() {
            slot.leave_when_idle();
        }
    }

    fn renew_those_who_hold(&self, subject: Fingerprint) -> Renewing {
        let mut slots = self.all();
        slots.retain(|slot| slot.renew_if_it_holds(subject));
        Renewing {
            aggregates: slots.len(),
            is_done: Box::new(move || !slots.iter().any(|slot| slot.is_to_renew())),
        }
    }

    fn end_all(&self) {
        for request in self.all().iter().flat_map(|slot| slot.end()) {
            request.fail(Failure::shutting_down(), &self.hosted.meters);
        }
    }

    fn resident(&self) -> usize {
        self.hosted.residency.resident()
    }

    fn quarantined(&self) -> Vec<Arc<Quarantine>> {
        self.hosted.residency.quarantines()
    }
}
