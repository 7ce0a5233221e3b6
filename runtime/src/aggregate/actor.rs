//! [`AggregateActor`]: the actor of one incarnation, which recovers the aggregate and runs its turns.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Version};
use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef};

use super::activation::Activation;
use super::inbox::{TurnOutcome, Work};
use super::incarnation::Incarnation;
use super::pending_append::TurnGuard;
use super::recovery::{self, RecoveryError};
use super::request::Request;
use super::turn::{Turn, TurnEnd};
use crate::base::error::{Failure, Quarantine, QuarantineReason};
use crate::engine::supervision::{Bell, Supervised};

/// The actor of one incarnation. Its mailbox carries only the bell; requests wait in the slot.
pub(crate) struct AggregateActor<A: Aggregate> {
    activation: Arc<Activation<A>>,
    aggregate: PhantomData<fn() -> A>,
}

/// The actor's state: the incarnation, boxed so that ractor moves a pointer; `None` once the aggregate is
/// out of service.
pub(crate) type InMemory<A> = Option<Box<Incarnation<A>>>;

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(activation: Arc<Activation<A>>) -> Self {
        Self { activation, aggregate: PhantomData }
    }

    /// Recovers the aggregate. On failure the waiting requests are answered.
    async fn recover(&self) -> InMemory<A> {
        match recovery::recover(self.activation.clone()).await {
            Ok(incarnation) => Some(incarnation),
            Err(RecoveryError::Unavailable(why)) => {
                let Activation { hosted, slot, owner, .. } = &*self.activation;
                for request in slot.recovery_failed(|| owner.remove(slot)) {
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

    /// Processes what the bell announced. Never waits: the end of the append in flight rings again.
    fn process(
        &self,
        incarnation: &mut Incarnation<A>,
        work: Work<A>,
        guard: Option<TurnGuard<A>>,
    ) -> Next {
        let Activation { hosted, slot, .. } = &*self.activation;
        let span = tracing::debug_span!(
            target: "actuarius::turn",
            "turn",
            stream = %slot.stream,
            version = incarnation.version.get(),
            requests = work.requests.len()
        );
        let _entered = span.enter();
        if incarnation.is_snapshot_due(&hosted.hosting) {
            incarnation.take_snapshot(hosted, slot);
        }
        let Some(guard) = guard else {
            return if work.leaving { self.leave(incarnation) } else { Next::Stay };
        };
        let now = Instant::now();
        hosted.residency.used(slot, now);
        if work.stays {
            hosted.residency.stays(slot);
        }
        match Turn::begin(guard, incarnation, now).run(work.requests) {
            TurnEnd::Usable => Next::Stay,
            TurnEnd::Quarantined => Next::Stop,
        }
    }

    /// Unloads the aggregate after taking a snapshot, unless a request has arrived in the meantime.
    ///
    /// The snapshot need not become durable first: the events it contains are durable.
    fn leave(&self, incarnation: &mut Incarnation<A>) -> Next {
        let Activation { hosted, slot, .. } = &*self.activation;
        if hosted.hosting.snapshot_on_passivation && incarnation.is_changed_since_snapshot() {
            incarnation.take_snapshot(hosted, slot);
        }
        if !slot.try_close(|| self.activation.owner.remove(slot)) {
            return Next::Stay;
        }
        hosted.unloaded(slot);
        hosted.meters.passivated();
        tracing::debug!(target: "actuarius::passivation", stream = %slot.stream, "passivated");
        Next::Stop
    }
}

/// How many times in a row an aggregate's actor may fail before the aggregate is quarantined. The user's
/// panics are caught elsewhere, so even one failure is a defect of this library.
const FAILURES_IN_A_ROW: u32 = 3;

/// Whether the actor continues.
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
        let held = if self.activation.slot.first_request_assumes_new() {
            Some(Box::new(Incarnation::assumed_new()))
        } else {
            // Boxed, because ractor inlines this future into every idle actor.
            Box::pin(self.recover()).await
        };
        if held.is_some() {
            self.activation.hosted.loaded(&self.activation.slot);
            self.activation.slot.set_resident(self.activation.epoch, myself);
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
        let Some(work) = self.activation.slot.take_work(self.activation.epoch) else {
            return Ok(());
        };
        // From here on the slot is notified of the turn's end, whatever happens.
        let guard = (!work.requests.is_empty()).then(|| TurnGuard::new(self.activation.clone()));
        let is_wrong = work.last_turn == Some(TurnOutcome::Failed) || work.needs_rebuild;
        if is_wrong || held.as_ref().is_some_and(|it| it.must_recover_first(&work)) {
            // The state holds events that were never stored, or clear text of a forgotten subject,
            // or it was only assumed: rebuild it from what is stored.
            *held = None;
            self.activation.slot.state_dropped();
            match Box::pin(self.recover()).await {
                Some(incarnation) => *held = Some(incarnation),
                None => {
                    self.abandon(work, guard);
                    myself.stop(None);
                    return Ok(());
                }
            }
        }
        let Some(incarnation) = held else { return Ok(()) };
        incarnation.record_outcome(work.last_turn);
        if self.process(incarnation, work, guard) == Next::Stop {
            *held = None;
            myself.stop(None);
        }
        Ok(())
    }
}

impl<A: Aggregate> Incarnation<A> {
    /// Returns whether the waiting requests would be answered from a state that is only assumed.
    fn must_recover_first(&self, work: &Work<A>) -> bool {
        // If its first events have just been stored, the assumption is proved.
        let is_proved = matches!(work.last_turn, Some(TurnOutcome::Stored { .. }));
        let first_assumes_new = work.requests.front().map(Request::assumes_new);
        !is_proved && self.certainty.must_recover(first_assumes_new)
    }
}

impl<A: Aggregate> AggregateActor<A> {
    /// Answers requests that were taken for an aggregate that could not be rebuilt.
    fn abandon(&self, work: Work<A>, guard: Option<TurnGuard<A>>) {
        for request in work.requests {
            request.fail(Failure::undone(), &self.activation.hosted.meters);
        }
        self.activation.hosted.unloaded(&self.activation.slot);
        if let Some(guard) = guard {
            guard.end(TurnOutcome::Nothing);
        }
    }
}

impl<A: Aggregate> Supervised for Activation<A> {
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId> {
        let actor = AggregateActor::new(self.clone());
        // The recovery runs in the actor's own task, so a slow one delays no other start.
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

    /// An actor that left or was quarantined has closed its slot already. Any other end is a failure,
    /// after which a new incarnation is started for the waiting requests.
    fn ended(&self, why: &dyn std::fmt::Display) {
        let Some(failed) = self.slot.actor_ended(self.epoch) else { return };
        if failed.was_resident {
            self.hosted.unloaded(&self.slot);
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
