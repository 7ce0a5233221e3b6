//! [`AggregateActor`]: the actor of one incarnation, which recovers the aggregate and runs its turns.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use actuarius_domain::{Aggregate, Version};

use super::activation::Activation;
use super::inbox::{Bell, TurnOutcome, Work};
use super::incarnation::Incarnation;
use super::pending_append::TurnGuard;
use super::recovery::{self, RecoveryError};
use super::request::Request;
use super::turn::{Turn, TurnEnd};
use crate::base::error::{Failure, Place, Quarantine, QuarantineReason, Unavailable};
use crate::base::panics::guarded;
use crate::engine::supervision::Supervised;

/// The actor of one incarnation: a task that waits in the slot for requests. However it ends, by leaving, by
/// a panic or with the tokio runtime, its supervisor receives a report unless the end was in order.
pub(crate) struct AggregateActor<A: Aggregate> {
    activation: Arc<Activation<A>>,
    /// Whether the aggregate counts as resident.
    is_counted: bool,
}

/// Whether the actor continues.
#[derive(PartialEq)]
enum Next {
    Stay,
    Stop,
}

impl<A: Aggregate> AggregateActor<A> {
    pub(crate) fn new(activation: Arc<Activation<A>>) -> Self {
        Self { activation, is_counted: false }
    }

    /// Recovers the aggregate, then runs its turns until it is unloaded.
    pub(crate) async fn run(mut self) {
        let Some(mut incarnation) = self.load().await else { return };
        let activation = self.activation.clone();
        loop {
            let work = match self.bell().await {
                Bell::Work(work) => work,
                Bell::NoRoom => continue,
                Bell::Over => return,
            };
            // From here on the slot is notified of the turn's end, whatever happens.
            let guard = (!work.requests.is_empty()).then(|| TurnGuard::new(activation.clone()));
            if work.stays {
                activation.hosted.residency.stays(&activation.slot);
            }
            if incarnation.must_be_rebuilt(&work) {
                drop(incarnation);
                let Some(rebuilt) = self.rebuild(work, guard).await else { return };
                incarnation = rebuilt;
                continue;
            }
            incarnation.record_outcome(work.last_turn);
            if self.process(&mut incarnation, work, guard) == Next::Stop {
                return;
            }
            // Without a pause, a flood of requests that store nothing would keep the thread.
            tokio::task::consume_budget().await;
        }
    }

    /// Waits for work. Returns [`Bell::NoRoom`] once there is room for work that had to wait for it.
    async fn bell(&self) -> Bell<A> {
        let Activation { hosted, slot, epoch, .. } = &*self.activation;
        let committer = &hosted.engine.committer;
        let mut room = pin!(committer.room());
        poll_fn(|context| match slot.poll_work(*epoch, committer.has_room(), context) {
            Poll::Ready(Bell::NoRoom) => room.as_mut().poll(context).map(|()| Bell::NoRoom),
            bell => bell,
        })
        .await
    }

    /// Brings the aggregate into memory. On failure the waiting requests are answered.
    async fn load(&mut self) -> Option<Box<Incarnation<A>>> {
        let Activation { hosted, slot, epoch, .. } = &*self.activation;
        if let Err(why) = hosted.ready().await {
            self.activation.close_unavailable(&why);
            return None;
        }
        let incarnation = if slot.first_request_assumes_new() {
            self.assume_new()?
        } else {
            self.recover().await?
        };
        hosted.loaded(slot);
        self.is_counted = true;
        slot.set_resident(*epoch).then_some(incarnation)
    }

    fn assume_new(&self) -> Option<Box<Incarnation<A>>> {
        let assumed = guarded(|| Box::new(Incarnation::assumed_new()));
        assumed.map_err(|panic| self.activation.quarantine_after_failed_recovery(panic)).ok()
    }

    /// Rebuilds a state that holds events that were never stored, or clear text of a forgotten subject, or
    /// that was only assumed. It has been dropped. The requests wait in the slot, so that they are answered
    /// however the recovery ends.
    async fn rebuild(
        &self,
        work: Work<A>,
        guard: Option<TurnGuard<A>>,
    ) -> Option<Box<Incarnation<A>>> {
        self.activation.put_back(work.requests);
        if let Some(guard) = guard {
            guard.end(TurnOutcome::Nothing);
        }
        self.activation.slot.state_dropped();
        let rebuilt = self.recover().await;
        self.activation.slot.rebuilt();
        rebuilt
    }

    /// Recovers the aggregate. On failure the waiting requests are answered. If its events yield no state, it is
    /// quarantined, unless its stream is to be ended first.
    async fn recover(&self) -> Option<Box<Incarnation<A>>> {
        match recovery::recover(self.activation.clone()).await {
            Ok(incarnation) => match &incarnation.unreadable {
                Some(why) if !self.activation.slot.has_deletion() => {
                    self.activation.quarantine((**why).clone());
                    None
                }
                _ => Some(incarnation),
            },
            Err(RecoveryError::Unavailable(why)) => {
                self.activation.close_unavailable(&why);
                None
            }
            Err(RecoveryError::Quarantine(why)) => {
                self.activation.quarantine(*why);
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
        let clock = match hosted.engine.clock.read() {
            Ok(clock) => clock,
            Err(panic) => {
                self.refuse_untimed(work.requests, &panic);
                guard.end(TurnOutcome::Nothing);
                return Next::Stay;
            }
        };
        match Turn::begin(guard, incarnation, now, clock).run(work.requests) {
            TurnEnd::Usable => Next::Stay,
            TurnEnd::Quarantined => Next::Stop,
        }
    }

    /// Answers the requests of a turn for which the clock has no time.
    fn refuse_untimed(&self, requests: VecDeque<Request<A>>, panic: &str) {
        for request in requests {
            let failure = Failure::Panicked { place: Place::Clock, message: panic.to_owned() };
            request.fail(failure, &self.activation.hosted.meters);
        }
    }

    /// Unloads the aggregate after taking a snapshot, unless a request has arrived in the meantime.
    ///
    /// The snapshot need not become durable first: the events it contains are durable.
    fn leave(&self, incarnation: &mut Incarnation<A>) -> Next {
        let Activation { hosted, slot, .. } = &*self.activation;
        if hosted.hosting.snapshot_on_passivation && incarnation.is_changed_since_snapshot() {
            incarnation.take_last_snapshot(hosted, slot);
        }
        if !slot.try_close(|| self.activation.owner.remove(slot)) {
            return Next::Stay;
        }
        hosted.meters.passivated();
        tracing::debug!(target: "actuarius::passivation", stream = %slot.stream, "passivated");
        Next::Stop
    }
}

impl<A: Aggregate> Drop for AggregateActor<A> {
    fn drop(&mut self) {
        let Activation { hosted, slot, epoch, .. } = &*self.activation;
        // It may run while a panic unwinds, so none may come from here.
        if self.is_counted {
            let _ = guarded(|| hosted.unloaded(slot, *epoch));
        }
        if slot.is_in_service(*epoch) {
            hosted.engine.supervision.report_end(self.activation.clone());
        }
    }
}

impl<A: Aggregate> Incarnation<A> {
    /// Returns whether the state must be rebuilt from what is stored before this work is done.
    fn must_be_rebuilt(&self, work: &Work<A>) -> bool {
        // If its first events have just been stored, the assumption is proved.
        let is_proved = matches!(work.last_turn, Some(TurnOutcome::Stored { .. }));
        let first_assumes_new = work.requests.front().map(Request::assumes_new);
        work.last_turn == Some(TurnOutcome::Failed)
            || work.needs_rebuild
            || (!is_proved && self.certainty.must_recover(first_assumes_new))
    }
}

/// How many times in a row an aggregate's actor may fail before the aggregate is quarantined. The user's
/// panics are caught where its code is called, so even one failure is a defect of this library, of a metrics recorder or of
/// a tracing layer.
const FAILURES_IN_A_ROW: u32 = 3;

impl<A: Aggregate> Supervised for Activation<A> {
    /// An actor that left or was quarantined has closed its slot already. Any other end is a failure,
    /// after which a new incarnation is started for the waiting requests.
    fn restart(&self) {
        let Some(failed) = self.slot.actor_ended(self.epoch) else { return };
        let failures = failed.in_a_row;
        if failures >= FAILURES_IN_A_ROW {
            let id = self.slot.stream.shared_id().clone();
            let reason = QuarantineReason::KeepsFailing(failures);
            let (aggregate, version) = (A::TYPE, Version::NONE);
            self.quarantine(Quarantine { aggregate, id, version, position: None, reason });
        } else if let Some(epoch) = failed.start {
            self.start_next(epoch);
        } else {
            self.retain_slot();
        }
        tracing::error!(
            target: "actuarius::supervision",
            stream = %self.slot.stream,
            failures,
            "an aggregate's actor ended unexpectedly"
        );
    }

    fn refuse(&self, why: Unavailable) {
        for request in self.slot.end(why.clone()) {
            request.fail(Failure::Unavailable(why.clone()), &self.hosted.meters);
        }
    }
}
