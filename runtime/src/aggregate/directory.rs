//! [`Directory`]: the slots of all aggregates of one type, by id.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Id};
use actuarius_persistence::personal::Fingerprint;
use dashmap::DashMap;

use super::activation::{Activation, SlotOwner};
use super::actor::AggregateActor;
use super::hosted_type::HostedType;
use super::inbox::{Epoch, Pushed, Slot};
use super::request::Request;
use super::timers::TimersHealth;
use crate::base::error::{Failure, Quarantine, Unavailable};
use crate::base::schema_error::HostError;
use crate::commit::admission::Permit;

type Slots<A> = DashMap<Arc<str>, Arc<Slot<A>>, foldhash::fast::RandomState>;

/// An admitted request: the aggregate it is for, and its permit.
pub(crate) type Admitted<A> = (Id<A>, Permit);

/// The slots of one type's aggregates by id. An aggregate has a slot while it is in memory, has waiting
/// requests or is quarantined.
///
/// Lock order: slot, then shard of the map or the list of quarantined aggregates. A sender never holds a shard while it locks a slot.
pub(crate) struct Directory<A: Aggregate> {
    pub(crate) hosted: Arc<HostedType<A>>,
    slots: Slots<A>,
}

impl<A: Aggregate> Directory<A> {
    pub(crate) fn new(hosted: HostedType<A>) -> Self {
        let slots = Slots::with_hasher(foldhash::fast::RandomState::default());
        Self { hosted: Arc::new(hosted), slots }
    }

    /// Checks that the type was hosted with these timers.
    pub(crate) fn check_timers(&self, names: &[Arc<str>]) -> Result<(), HostError> {
        let has = |name: &Arc<str>| self.hosted.timers.as_ref().is_some_and(|it| it.has(name));
        let why = "the type is hosted already, without this timer";
        match names.iter().find(|name| !has(name)) {
            Some(name) => {
                Err(HostError::Timer { aggregate: A::TYPE, timer: name.to_string(), why })
            }
            None => Ok(()),
        }
    }

    /// Admits a command, unless the store has failed.
    pub(crate) fn admit_command(&self, id: Result<Id<A>, Failure>) -> Result<Admitted<A>, Failure> {
        let admitted = match self.hosted.engine.failure() {
            Some(failure) => Err(Failure::Poisoned(failure.clone())),
            None => self.admit_query(id),
        };
        admitted.inspect_err(|failure| self.hosted.meters.refused(failure))
    }

    /// Admits a query.
    pub(crate) fn admit_query(&self, id: Result<Id<A>, Failure>) -> Result<Admitted<A>, Failure> {
        if self.hosted.engine.home.has_ended() {
            return Err(Failure::tokio_runtime_ended());
        }
        Ok((id?, self.hosted.engine.admission.enter()?))
    }

    /// Sends a request to its aggregate, and starts an incarnation if there is none.
    pub(crate) fn send(self: &Arc<Self>, id: &Id<A>, mut request: Request<A>) {
        loop {
            let slot = self.slot(id);
            let unlist = || self.hosted.residency.released(id.as_str());
            match slot.push(request, self.hosted.hosting.inbox_limit, unlist) {
                Pushed::Queued => return,
                Pushed::Start(epoch) => return self.clone().start(slot, epoch),
                Pushed::Refused(request, failure) => {
                    return request.fail(failure, &self.hosted.meters);
                }
                // It was unloaded after the lookup; the next lookup returns another slot.
                Pushed::Closed(returned) => request = returned,
            }
        }
    }

    /// Unloads an aggregate as soon as it is idle. Returns false if it is not in memory.
    pub(crate) fn passivate(&self, id: &Id<A>) -> bool {
        self.existing(id).is_some_and(|slot| slot.leave_when_idle())
    }

    /// Puts a quarantined aggregate back into service. Returns false if it was not quarantined.
    pub(crate) fn release(&self, id: &Id<A>) -> bool {
        let unlist = || self.hosted.residency.released(id.as_str());
        self.existing(id).is_some_and(|slot| slot.release(unlist))
    }

    /// Returns all slots as a copy, so that no shard is held while a slot is locked.
    fn all(&self) -> Vec<Arc<Slot<A>>> {
        self.slots.iter().map(|entry| entry.clone()).collect()
    }

    fn existing(&self, id: &Id<A>) -> Option<Arc<Slot<A>>> {
        self.slots.get(id.as_str()).map(|entry| entry.clone())
    }

    fn slot(&self, id: &Id<A>) -> Arc<Slot<A>> {
        if let Some(slot) = self.existing(id) {
            return slot;
        }
        let vacant = || Arc::new(Slot::new(id.stream()));
        self.slots.entry(id.shared().clone()).or_insert_with(vacant).clone()
    }
}

impl<A: Aggregate> SlotOwner<A> for Directory<A> {
    fn start(self: Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch) {
        let hosted = self.hosted.clone();
        let activation = Arc::new(Activation { hosted: hosted.clone(), slot, epoch, owner: self });
        hosted.engine.supervision.spawn(AggregateActor::new(activation).run());
    }

    fn remove(&self, slot: &Arc<Slot<A>>) {
        self.slots.remove_if(&**slot.stream.shared_id(), |_, found| Arc::ptr_eq(found, slot));
    }
}

/// Aggregates whose states are being rebuilt.
pub(crate) struct Rebuilds {
    pub(crate) aggregates: usize,
    pub(crate) are_done: Box<dyn Fn() -> bool + Send + Sync>,
}

/// A hosted type, for code that does not know the Rust type.
pub(crate) trait Hosted: Send + Sync {
    /// Unloads each aggregate as soon as it is idle.
    fn passivate_all(&self);
    /// Requests a rebuild of each state that may hold clear text of a subject.
    fn rebuild_holders_of(&self, subject: Fingerprint) -> Rebuilds;
    /// Answers all waiting requests, because the runtime has closed.
    fn end_all(&self);
    /// Stops delivering timers, except for those that are under way.
    fn stop_timers(&self);
    /// Returns how many timers are being delivered.
    fn timers_under_way(&self) -> usize;
    /// Returns the state of its timers, if it has any.
    fn timers(&self) -> Option<TimersHealth>;
    /// Returns how many aggregates are in memory.
    fn resident(&self) -> usize;
    /// Returns the quarantined aggregates, at most 1,000, and how many others there are.
    fn quarantined(&self) -> (Vec<Arc<Quarantine>>, usize);
}

impl<A: Aggregate> Hosted for Directory<A> {
    fn passivate_all(&self) {
        for slot in self.all() {
            slot.leave_when_idle();
        }
    }

    fn rebuild_holders_of(&self, subject: Fingerprint) -> Rebuilds {
        let mut slots = self.all();
        slots.retain(|slot| slot.rebuild_if_it_may_hold(subject));
        Rebuilds {
            aggregates: slots.len(),
            are_done: Box::new(move || !slots.iter().any(|slot| slot.needs_rebuild())),
        }
    }

    fn end_all(&self) {
        self.stop_timers();
        for request in self.all().iter().flat_map(|slot| slot.end(Unavailable::ShuttingDown)) {
            request.fail(Failure::shutting_down(), &self.hosted.meters);
        }
    }

    fn stop_timers(&self) {
        if let Some(timers) = &self.hosted.timers {
            timers.close();
        }
    }

    fn timers_under_way(&self) -> usize {
        self.hosted.timers.as_ref().map_or(0, |timers| timers.under_way())
    }

    fn timers(&self) -> Option<TimersHealth> {
        self.hosted.timers.as_ref().map(|timers| timers.health())
    }

    fn resident(&self) -> usize {
        self.hosted.residency.resident()
    }

    fn quarantined(&self) -> (Vec<Arc<Quarantine>>, usize) {
        self.hosted.residency.quarantines()
    }
}
