use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::Aggregate;
use ractor::{ActorProcessingErr, ActorRef};

use crate::directory::Host;
use crate::error::Failure;
use crate::incarnation::Incarnation;
use crate::recovery::{self, RecoveryError};
use crate::slot::{Bell, Epoch, Found, Landing, Slot};
use crate::turn::{Turn, TurnEnd};

/// An aggregate's place at its host: what its actor, its recovery and its appends in flight share.
pub(crate) struct Seat<A: Aggregate> {
    pub(crate) host: Arc<Host<A>>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) epoch: Epoch,
}

/// The supervised execution context of one incarnation. Its mailbox carries only the bell.
pub(crate) struct AggregateActor<A: Aggregate> {
    seat: Arc<Seat<A>>,
    aggregate: PhantomData<fn() -> A>,
}

/// What the actor holds: the incarnation, boxed so that ractor moves a pointer; none once the
/// aggregate is out of service.
pub(crate) type InMemory<A> = Option<Box<Incarnation<A>>>;

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(seat: Arc<Seat<A>>) -> Self {
        Self { seat, aggregate: PhantomData }
    }

    /// Brings the aggregate into memory; on failure what waits is answered.
    async fn recover(&self) -> InMemory<A> {
        match recovery::recover(self.seat.clone()).await {
            Ok(incarnation) => Some(incarnation),
            Err(RecoveryError::Unavailable(why)) => {
                let failure = Failure::Unavailable(why);
                for request in self.seat.slot.recovery_failed() {
                    request.fail(failure.clone());
                }
                None
            }
            Err(RecoveryError::Quarantine(why)) => {
                self.seat.host.quarantine(&self.seat.slot, *why);
                None
            }
        }
    }

    /// Works off what the bell announced. Never waits: the append in flight rings again.
    fn work(&self, incarnation: &mut Incarnation<A>, found: Found<A>) -> Next {
        let Seat { host, slot, .. } = &*self.seat;
        let span = tracing::debug_span!(
            target: "actuarius::turn",
            "turn",
            stream = %slot.stream,
            version = incarnation.version.get(),
            requests = found.requests.len()
        );
        let _entered = span.enter();
        if incarnation.is_snapshot_due(&host.hosting) {
            incarnation.take_snapshot(host, slot);
        }
        if found.requests.is_empty() {
            return if found.leaving { self.leave(incarnation) } else { Next::Stay };
        }
        let now = Instant::now();
        host.residency.used(slot, now);
        match Turn::begin(self.seat.clone(), incarnation, now).run(found.requests) {
            TurnEnd::Usable => Next::Stay,
            TurnEnd::Quarantined => Next::Stop,
        }
    }

    /// Leaves memory through a snapshot, unless a request came in the meantime.
    ///
    /// The snapshot need not be durable first: it is a shortcut, and the events it holds are.
    fn leave(&self, incarnation: &mut Incarnation<A>) -> Next {
        let Seat { host, slot, .. } = &*self.seat;
        if host.hosting.snapshot_on_passivation && incarnation.is_changed_since_snapshot() {
            incarnation.take_snapshot(host, slot);
        }
        if !slot.try_close(|| host.forget(slot)) {
            return Next::Stay;
        }
        host.left();
        host.meters.passivated();
        tracing::debug!(target: "actuarius::passivation", stream = %slot.stream, "passivated");
        Next::Stop
    }
}

/// Whether the actor goes on.
#[derive(PartialEq)]
enum Next {
    Stay,
    Stop,
}

#[ractor::actor(message = Bell, state = InMemory<A>, arguments = ())]
impl<A: Aggregate> AggregateActor<A> {
    async fn pre_start(
        &self,
        myself: ActorRef<Bell>,
        _arguments: (),
    ) -> Result<InMemory<A>, ActorProcessingErr> {
        // Boxed: ractor inlines this future into every idle actor.
        let held = Box::pin(self.recover()).await;
        if held.is_some() {
            self.seat.host.residency.came(&self.seat.slot);
            self.seat.host.meters.activated();
            self.seat.slot.now_resident(self.seat.epoch, myself);
        } else {
            myself.stop(None);
        }
        Ok(held)
    }

    async fn handle(
        &self,
        myself: ActorRef<Bell>,
        _bell: Bell,
        held: &mut InMemory<A>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(found) = self.seat.slot.answer_bell(self.seat.epoch) else { return Ok(()) };
        if found.landing == Some(Landing::Failed) {
            // The state holds events that were never stored: rebuild it from those that were.
            *held = None;
            match Box::pin(self.recover()).await {
                Some(incarnation) => *held = Some(incarnation),
                None => {
                    self.abandon(found);
                    myself.stop(None);
                    return Ok(());
                }
            }
        }
        let Some(incarnation) = held else { return Ok(()) };
        incarnation.take_note(found.landing);
        if self.work(incarnation, found) == Next::Stop {
            *held = None;
            myself.stop(None);
        }
        Ok(())
    }
}

impl<A: Aggregate> AggregateActor<A> {
    /// Answers requests that were taken when the aggregate could not be rebuilt for them.
    fn abandon(&self, found: Found<A>) {
        for request in found.requests {
            request.fail(Failure::undone());
        }
        self.seat.host.left();
        if let Some(epoch) = self.seat.slot.end_turn(Landing::Nothing) {
            self.seat.host.start(self.seat.slot.clone(), epoch);
        }
    }
}
