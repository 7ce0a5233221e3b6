use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Version};
use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef};

use super::activation::Activation;
use super::inbox::{Bell, Found, Landing};
use super::incarnation::{Certainty, Incarnation};
use super::pending_append::Busy;
use super::recovery::{self, RecoveryError};
use super::turn::{Turn, TurnEnd};
use crate::base::error::{Failure, Quarantine, QuarantineReason};
use crate::engine::supervision::Supervised;

/// The supervised execution context of one incarnation. Its mailbox carries only the bell.
pub(crate) struct AggregateActor<A: Aggregate> {
    activation: Arc<Activation<A>>,
    aggregate: PhantomData<fn() -> A>,
}

/// What the actor holds: the incarnation, boxed so that ractor moves a pointer; none once the
/// aggregate is out of service.
pub(crate) type InMemory<A> = Option<Box<Incarnation<A>>>;

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(activation: Arc<Activation<A>>) -> Self {
        Self { activation, aggregate: PhantomData }
    }

    /// Brings the aggregate into memory; on failure what waits is answered.
    async fn recover(&self) -> InMemory<A> {
        match recovery::recover(self.activation.clone()).await {
            Ok(incarnation) => Some(incarnation),
            Err(RecoveryError::Unavailable(why)) => {
                let Activation { hosted, slot, owner, .. } = &*self.activation;
                for request in slot.recovery_failed(|| owner.forget(slot)) {
                    request.fail(Failure::Unavailable(why.clone()), &hosted.meters);
                }
                None
            }
            Err(RecoveryError::Quarantine(why)) => {
                self.activation.hosted.quarantine(&self.activation.slot, *why);
                None
            }
        }
    }

    /// Works off what the bell announced. Never waits: the append in flight rings again.
    fn work(
        &self,
        incarnation: &mut Incarnation<A>,
        found: Found<A>,
        busy: Option<Busy<A>>,
    ) -> Next {
        let Activation { hosted, slot, .. } = &*self.activation;
        let span = tracing::debug_span!(
            target: "actuarius::turn",
            "turn",
            stream = %slot.stream,
            version = incarnation.version.get(),
            requests = found.requests.len()
        );
        let _entered = span.enter();
        if incarnation.is_snapshot_due(&hosted.hosting) {
            incarnation.take_snapshot(hosted, slot);
        }
        let Some(busy) = busy else {
            return if found.leaving { self.leave(incarnation) } else { Next::Stay };
        };
        let now = Instant::now();
        hosted.residency.used(slot, now);
        if found.stays {
            hosted.residency.stays(slot);
        }
        match Turn::begin(busy, incarnation, now).run(found.requests) {
            TurnEnd::Usable => Next::Stay,
            TurnEnd::Quarantined => Next::Stop,
        }
    }

    /// Leaves memory through a snapshot, unless a request came in the meantime.
    ///
    /// The snapshot need not be durable first: it is a shortcut, and the events it holds are.
    fn leave(&self, incarnation: &mut Incarnation<A>) -> Next {
        let Activation { hosted, slot, .. } = &*self.activation;
        if hosted.hosting.snapshot_on_passivation && incarnation.is_changed_since_snapshot() {
            incarnation.take_snapshot(hosted, slot);
        }
        if !slot.try_close(|| self.activation.owner.forget(slot)) {
            return Next::Stay;
        }
        hosted.left(slot);
        hosted.meters.passivated();
        tracing::debug!(target: "actuarius::passivation", stream = %slot.stream, "passivated");
        Next::Stop
    }
}

/// How often in a row an aggregate's actor may fail before the aggregate is quarantined. The
/// user's panics are caught before they get here, so even once is a defect of this library.
const FAILURES_IN_A_ROW: u32 = 3;

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
        let held = if self.activation.slot.awaits_birth() {
            Some(Box::new(Incarnation::believed_unborn()))
        } else {
            // Boxed: ractor inlines this future into every idle actor.
            Box::pin(self.recover()).await
        };
        if held.is_some() {
            self.activation.hosted.came(&self.activation.slot);
            self.activation.slot.now_resident(self.activation.epoch, myself);
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
        let Some(found) = self.activation.slot.answer_bell(self.activation.epoch) else {
            return Ok(());
        };
        // From here on the slot hears how the turn ends, whatever happens.
        let busy = (!found.requests.is_empty()).then(|| Busy::new(self.activation.clone()));
        let is_wrong = found.landing == Some(Landing::Failed) || found.renews;
        if is_wrong || held.as_ref().is_some_and(|it| it.must_be_proven(&found)) {
            // The state holds events that were never stored, or clear text that is forgotten, or was
            // only believed: rebuild it from what is stored.
            *held = None;
            self.activation.slot.let_go();
            match Box::pin(self.recover()).await {
                Some(incarnation) => *held = Some(incarnation),
                None => {
                    self.abandon(found, busy);
                    myself.stop(None);
                    return Ok(());
                }
            }
        }
        let Some(incarnation) = held else { return Ok(()) };
        incarnation.take_note(found.landing);
        if self.work(incarnation, found, busy) == Next::Stop {
            *held = None;
            myself.stop(None);
        }
        Ok(())
    }
}

impl<A: Aggregate> Incarnation<A> {
    /// Whether what waits could be answered from a state that is only believed.
    fn must_be_proven(&self, found: &Found<A>) -> bool {
        match self.certainty {
            Certainty::Known => false,
            // Its first events land now.
            _ if matches!(found.landing, Some(Landing::Stored { .. })) => false,
            Certainty::Believed => found.requests.front().is_some_and(|first| !first.creates()),
            Certainty::Unproven => !found.requests.is_empty(),
        }
    }
}

impl<A: Aggregate> AggregateActor<A> {
    /// Answers requests that were taken when the aggregate could not be rebuilt for them.
    fn abandon(&self, found: Found<A>, busy: Option<Busy<A>>) {
        for request in found.requests {
            request.fail(Failure::undone(), &self.activation.hosted.meters);
        }
        self.activation.hosted.left(&self.activation.slot);
        if let Some(busy) = busy {
            busy.end(Landing::Nothing);
        }
    }
}

impl<A: Aggregate> Supervised for Activation<A> {
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId> {
        let actor = AggregateActor::new(self.clone());
        // The recovery runs in the actor's own task, so a slow one holds nobody up.
        match ActorRuntime::spawn_linked_instant(None, actor, (), manager) {
            Ok((actor, _)) => Some(actor.get_id()),
            Err(error) => {
                self.ended(&error);
                None
            }
        }
    }

    fn refuse(&self) {
        self.end();
    }

    /// An actor that left or was quarantined has settled its slot already; any other end is a
    /// failure, after which what waits gets a new incarnation.
    fn ended(&self, why: &dyn std::fmt::Display) {
        let Some(failed) = self.slot.actor_ended(self.epoch) else { return };
        if failed.was_resident {
            self.hosted.left(&self.slot);
        }
        let failures = failed.in_a_row;
        tracing::error!(
            target: "actuarius::supervision",
            stream = %self.slot.stream,
            failures,
            %why,
            "an aggregate's actor ended unexpectedly"
        );
        if failures >= FAILURES_IN_A_ROW {
            let id = self.slot.stream.shared_id().clone();
            let reason = QuarantineReason::KeepsFailing(failures);
            let (aggregate, version) = (A::TYPE, Version::NONE);
            let why = Quarantine { aggregate, id, version, position: None, reason };
            self.hosted.quarantine(&self.slot, why);
        } else if let Some(epoch) = failed.start {
            self.start_next(epoch);
        }
    }
}
