//! A model of what surrounds an aggregate: the directory with its slot, the tasks, and the supervisor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actuarius_domain::{Aggregate, Id, Version};
use shuttle::future::{JoinHandle, block_on};

use super::actor::Actor;
use super::callers::Book;
use super::store::{Append, Store};
use super::{lock, once_in};
use crate::aggregate::activation::{Activation, SlotOwner};
use crate::aggregate::hosted_type::HostedType;
use crate::aggregate::hosting::Hosting;
use crate::aggregate::inbox::{Epoch, Pushed, Slot};
use crate::aggregate::request::Request;
use crate::base::error::{Failure, Quarantine, QuarantineReason, Unavailable};
use crate::engine::Engine;
use crate::engine::supervision::Supervised;

/// How many requests may wait: so few that some are refused.
const INBOX_LIMIT: usize = 5;

/// How many actors fail in one schedule at most: one more than quarantine their aggregate.
const FAILURES: usize = 4;

/// Everything of one schedule. None of its locks is held at a switch.
pub(super) struct World {
    pub(super) hosted: Arc<HostedType<Book>>,
    pub(super) store: Arc<Store>,
    id: Id<Book>,
    /// The directory: the slot of the only id.
    slot: Mutex<Option<Arc<Slot<Book>>>>,
    /// All slots that there were, each with its last incarnation.
    incarnations: Mutex<Vec<(Arc<Slot<Book>>, Epoch)>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The incarnations whose actors have ended; `None` once the supervisor has ended.
    ended: Mutex<Option<Vec<Arc<Activation<Book>>>>>,
    failures_left: AtomicUsize,
    /// An actor fails once in so many steps.
    failure_rate: u32,
    /// The aggregates that are in memory, as `Residency` lists them: some twice, some no longer.
    pub(super) in_memory: Mutex<Vec<Arc<Slot<Book>>>>,
}

impl World {
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self {
            hosted: Arc::new(HostedType::new(engine, Hosting::default())),
            store: Arc::default(),
            id: Id::new("1").expect("a valid id"),
            slot: Mutex::default(),
            incarnations: Mutex::default(),
            tasks: Mutex::default(),
            ended: Mutex::new(Some(Vec::new())),
            failures_left: AtomicUsize::new(FAILURES),
            failure_rate: if once_in(3) { 2 } else { 20 },
            in_memory: Mutex::default(),
        })
    }

    /// Sends a request as the directory does.
    pub(super) fn send(self: &Arc<Self>, mut request: Request<Book>) {
        loop {
            let slot = self.slot();
            match slot.push(request, INBOX_LIMIT, || {}) {
                Pushed::Queued => return,
                Pushed::Start(epoch) => return self.clone().start(slot, epoch),
                Pushed::Refused(request, failure) => {
                    return request.fail(failure, &self.hosted.meters);
                }
                Pushed::Closed(returned) => request = returned,
            }
        }
    }

    pub(super) fn existing(&self) -> Option<Arc<Slot<Book>>> {
        lock(&self.slot).clone()
    }

    fn slot(&self) -> Arc<Slot<Book>> {
        let mut slot = lock(&self.slot);
        slot.get_or_insert_with(|| Arc::new(Slot::new(self.id.stream()))).clone()
    }

    /// Returns true if an actor is to fail now.
    pub(super) fn actor_fails(&self) -> bool {
        let left = self.failures_left.load(Ordering::Relaxed);
        let fails = left > 0 && once_in(self.failure_rate);
        if fails {
            self.failures_left.store(left - 1, Ordering::Relaxed);
        }
        fails
    }

    /// Submits an append, as to the committer.
    pub(super) fn commit(&self, append: Append) {
        let store = self.store.clone();
        self.spawn(async move { store.carry_out(append) });
    }

    /// Receives the report that an actor has ended while its incarnation was in service.
    pub(super) fn report_end(self: &Arc<Self>, incarnation: Arc<Activation<Book>>) {
        let mut ended = lock(&self.ended);
        let Some(waiting) = &mut *ended else {
            drop(ended);
            return incarnation.refuse(Unavailable::ShuttingDown);
        };
        waiting.push(incarnation);
        drop(ended);
        let world = self.clone();
        self.spawn(async move { world.restart_ended() });
    }

    fn restart_ended(&self) {
        let ended = lock(&self.ended).as_mut().map(std::mem::take);
        for incarnation in ended.into_iter().flatten() {
            incarnation.restart();
        }
    }

    /// Ends the supervisor, the store and the slot, as at the deadline of a shutdown.
    pub(super) fn end(&self) {
        self.store.stop();
        let ended = lock(&self.ended).take();
        for incarnation in ended.into_iter().flatten() {
            incarnation.refuse(Unavailable::ShuttingDown);
        }
        let slot = self.existing();
        for request in slot.iter().flat_map(|slot| slot.end(Unavailable::ShuttingDown)) {
            request.fail(Failure::shutting_down(), &self.hosted.meters);
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = shuttle::future::spawn(task);
        lock(&self.tasks).push(task);
    }

    /// Unloads the aggregate, and waits until all tasks have ended.
    pub(super) fn unload(&self) {
        loop {
            let Some(task) = lock(&self.tasks).pop() else { return };
            // After the task was taken: if it is an actor, its slot is in memory by now.
            if let Some(slot) = self.existing() {
                slot.leave_when_idle();
            }
            block_on(task).expect("a task that has not panicked");
        }
    }

    /// Checks that nothing is left over.
    pub(super) fn check(&self) {
        for (slot, _) in &*lock(&self.incarnations) {
            let state = lock(&slot.state);
            assert!(!state.is_in_memory(), "an incarnation is in memory without an actor");
            assert!(state.is_idle(), "a request or a turn is left in a slot");
        }
        assert_eq!(self.hosted.residency.resident(), 0, "counted as in memory");
        assert_eq!(self.hosted.residency.evicting(), 0, "counted as evicted");
        assert_eq!(self.hosted.engine.admission.inside(), 0, "counted as inside");
        let is_listed = !self.hosted.residency.quarantines().0.is_empty();
        let is_quarantined = self.existing().is_some_and(|slot| slot.release(|| ()));
        let is_wrong = is_listed != is_quarantined && !self.store.is_stopped();
        assert!(!is_wrong, "the list of quarantined aggregates is wrong");
    }
}

impl SlotOwner<Book> for World {
    fn start(self: Arc<Self>, slot: Arc<Slot<Book>>, epoch: Epoch) {
        let mut incarnations = lock(&self.incarnations);
        match incarnations.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &slot)) {
            Some((_, last)) => {
                assert!(epoch > *last, "incarnation {epoch} is started after {last}");
                *last = epoch;
            }
            None => incarnations.push((slot.clone(), epoch)),
        }
        drop(incarnations);
        let (hosted, owner) = (self.hosted.clone(), self.clone());
        let actor = Actor::new(self.clone(), Arc::new(Activation { hosted, slot, epoch, owner }));
        // If the tokio runtime has ended, the actor is dropped instead.
        if !(self.store.is_stopped() && once_in(2)) {
            self.spawn(actor.run());
        }
    }

    fn remove(&self, slot: &Arc<Slot<Book>>) {
        let mut found = lock(&self.slot);
        if found.as_ref().is_some_and(|found| Arc::ptr_eq(found, slot)) {
            *found = None;
        }
    }
}

pub(super) fn quarantine_of(slot: &Slot<Book>, reason: QuarantineReason) -> Quarantine {
    let (aggregate, id) = (Book::TYPE, slot.stream.shared_id().clone());
    Quarantine { aggregate, id, version: Version::NONE, position: None, reason }
}
