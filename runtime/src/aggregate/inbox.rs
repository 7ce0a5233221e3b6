//! [`Slot`]: the entry of an aggregate in the directory, with an inbox that outlives every incarnation.
//!
//! A mailbox that belongs to an actor is dropped with it. So requests wait in the slot, and the actor waits
//! there, too: it leaves a waker, the bell, which rings when there is work.

mod clear_text;
mod rebuilds;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use actuarius_domain::{Aggregate, StreamId};

use super::request::Request;
use crate::base::error::{Failure, Limit, Quarantine, Unavailable};
pub(crate) use state::{Epoch, TurnOutcome};
use state::{Leaving, Phase, SlotState};

pub(crate) struct Slot<A: Aggregate> {
    pub(crate) stream: StreamId,
    state: Mutex<SlotState<A>>,
    /// When the aggregate was last used, in ticks of its type's `Residency`.
    last_used: AtomicU64,
}

/// What happened to a pushed request.
pub(crate) enum Pushed<A: Aggregate> {
    Queued,
    /// It waits, and the caller must start this incarnation.
    Start(Epoch),
    Refused(Request<A>, Failure),
    Closed(Request<A>),
}

/// What an actor has to do when the bell rings.
pub(crate) struct Work<A: Aggregate> {
    pub(crate) requests: VecDeque<Request<A>>,
    pub(crate) last_turn: Option<TurnOutcome>,
    /// The aggregate is to be unloaded.
    pub(crate) leaving: bool,
    /// It was being evicted, and there are requests for it again.
    pub(crate) stays: bool,
    /// The state must be rebuilt before it is used.
    pub(crate) needs_rebuild: bool,
}

/// What the bell announced.
pub(crate) enum Bell<A: Aggregate> {
    Work(Work<A>),
    /// There is work, and it was not taken, because there is no room for what it would store. The bell rings
    /// again if there is other work before there is room.
    NoRoom,
    /// The incarnation is no longer in service.
    Over,
}

/// How an actor failed.
pub(crate) struct Failed {
    /// How many times in a row this aggregate's actors have failed.
    pub(crate) in_a_row: u32,
    /// The incarnation that the caller must start for the waiting requests.
    pub(crate) start: Option<Epoch>,
}

/// Requests that were taken and cannot be put back, because the aggregate serves none any more.
pub(crate) struct Refused<A: Aggregate> {
    pub(crate) requests: VecDeque<Request<A>>,
    pub(crate) why: Failure,
}

/// The reply to an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// The aggregate will be unloaded.
    Leaving,
    /// It has work to do.
    Busy,
    /// It is not in memory, or is being evicted already.
    Unloaded,
}

impl<A: Aggregate> Slot<A> {
    pub(crate) fn new(stream: StreamId) -> Self {
        Self { stream, state: Mutex::new(SlotState::vacant()), last_used: AtomicU64::new(0) }
    }

    /// Adds a request to the inbox, which holds at most `limit`. A deletion puts a quarantined aggregate back into
    /// service, because its stream can be ended without a state; `unlist` removes it from the quarantined ones.
    pub(crate) fn push(
        &self,
        request: Request<A>,
        limit: usize,
        unlist: impl FnOnce(),
    ) -> Pushed<A> {
        self.change(|state| {
            if matches!(state.phase, Phase::Closed) {
                return Pushed::Closed(request);
            }
            if request.deletes() {
                state.release(unlist);
            }
            if let Some(failure) = state.refusal() {
                return Pushed::Refused(request, failure);
            }
            if state.inbox.len() >= limit {
                return Pushed::Refused(request, Failure::Overloaded(Limit::Inbox(limit)));
            }
            state.inbox.push_back(request);
            state.start().map_or(Pushed::Queued, Pushed::Start)
        })
    }

    /// Returns whether a waiting request ends the stream.
    pub(crate) fn has_deletion(&self) -> bool {
        self.lock().inbox.iter().any(Request::deletes)
    }

    /// Returns whether the first waiting request assumes that the aggregate does not exist yet.
    pub(crate) fn first_request_assumes_new(&self) -> bool {
        self.lock().inbox.front().is_some_and(Request::assumes_new)
    }

    /// Waits for the bell, then takes the work if there is room, and marks the slot busy if there are
    /// requests. What is not taken is answered with the slot if the runtime ends.
    pub(crate) fn poll_work(
        &self,
        epoch: Epoch,
        has_room: bool,
        context: &mut Context<'_>,
    ) -> Poll<Bell<A>> {
        let mut state = self.lock();
        if state.epoch != epoch || !state.is_resident() {
            return Poll::Ready(Bell::Over);
        }
        if !state.rung {
            state.listen(context);
            return Poll::Pending;
        }
        if !has_room && state.needs_room() {
            state.listen(context);
            return Poll::Ready(Bell::NoRoom);
        }
        state.rung = false;
        let requests = if has_room { state.take_requests() } else { state.take_queries() };
        state.busy = !requests.is_empty();
        let leaving = state.leaving != Leaving::No;
        let stays = state.busy && std::mem::take(&mut state.evicting);
        if state.busy && state.leaving == Leaving::IfIdle {
            state.leaving = Leaving::No;
        }
        let needs_rebuild = state.clear_text.start_rebuild();
        let last_turn = state.last_turn.take();
        Poll::Ready(Bell::Work(Work { requests, last_turn, leaving, stays, needs_rebuild }))
    }

    /// Puts requests that were taken and not processed back to the front, in order. Returns them if the
    /// aggregate has been quarantined or the runtime has ended since: the caller must answer them.
    #[must_use]
    pub(crate) fn put_back(&self, mut requests: VecDeque<Request<A>>) -> Option<Refused<A>> {
        let mut state = self.lock();
        if let Some(why) = state.refusal() {
            return Some(Refused { requests, why });
        }
        requests.append(&mut state.inbox);
        state.inbox = requests;
        None
    }

    /// Ends a turn. If the incarnation that ran it has ended and requests wait, returns the incarnation
    /// that the caller must start.
    #[must_use]
    pub(crate) fn end_turn(&self, outcome: TurnOutcome) -> Option<Epoch> {
        self.change(|state| {
            state.busy = false;
            if outcome != TurnOutcome::Failed {
                state.failures = 0;
            }
            let snapshot_due = matches!(outcome, TurnOutcome::Stored { snapshot_due: true, .. });
            state.last_turn = match (state.last_turn.take(), outcome) {
                (Some(TurnOutcome::Failed), _) => Some(TurnOutcome::Failed),
                (before, TurnOutcome::Nothing) => before,
                (_, outcome) => Some(outcome),
            };
            let needs_rebuild = state.clear_text.needs_rebuild();
            if snapshot_due || state.leaving != Leaving::No || needs_rebuild {
                state.ring();
            }
            state.start_if_requests_wait()
        })
    }

    /// Records that the incarnation of this epoch is in memory and waits for the bell. Returns false if the
    /// runtime has ended in the meantime.
    pub(crate) fn set_resident(&self, epoch: Epoch) -> bool {
        let mut state = self.lock();
        let is_awaited = state.epoch == epoch && matches!(state.phase, Phase::Loading);
        if is_awaited {
            state.phase = Phase::Resident;
            // The last turn of an earlier incarnation does not concern this one.
            state.last_turn = None;
            state.rung = false;
            state.ring_if_needed();
        }
        is_awaited
    }

    /// Announces again what was not done yet, because the state was rebuilt first.
    pub(crate) fn rebuilt(&self) {
        self.change(SlotState::ring_if_needed);
    }

    /// Unloads the aggregate if it is idle, to free memory.
    pub(crate) fn evict(&self) -> Eviction {
        self.change(|state| match state.phase {
            // Counted already. After a restart or a release it is listed twice.
            Phase::Resident if state.evicting => Eviction::Unloaded,
            Phase::Resident if state.is_idle() => {
                if state.leaving == Leaving::No {
                    state.leaving = Leaving::IfIdle;
                }
                state.evicting = true;
                state.ring();
                Eviction::Leaving
            }
            Phase::Resident | Phase::Loading => Eviction::Busy,
            _ => Eviction::Unloaded,
        })
    }

    /// Unloads the aggregate as soon as it is idle. Returns false if it is not in memory.
    pub(crate) fn leave_when_idle(&self) -> bool {
        self.change(|state| {
            let in_memory = state.is_in_memory();
            if in_memory {
                state.leaving = Leaving::WhenIdle;
                state.ring();
            }
            in_memory
        })
    }

    /// Closes the slot if nothing waits and nothing is in flight, in one step under the slot's lock;
    /// `remove` removes it from the directory. A later request finds the slot closed and looks the
    /// aggregate up again.
    pub(crate) fn try_close(&self, remove: impl FnOnce()) -> bool {
        let mut state = self.lock();
        if !state.is_idle() || !state.is_resident() {
            return false;
        }
        state.phase = Phase::Closed;
        remove();
        true
    }

    /// Closes a slot without an incarnation, to free its memory. A quarantined aggregate is then in service
    /// again: the next request recovers it, and quarantines it again if the cause is still there. Does nothing
    /// if the slot is in use, or closed already.
    pub(crate) fn forget(&self, remove: impl FnOnce()) {
        let mut state = self.lock();
        let unused = matches!(state.phase, Phase::Vacant | Phase::Quarantined(_));
        if unused && state.is_idle() {
            state.phase = Phase::Closed;
            remove();
        }
    }

    /// Ends the recovery of the incarnation of this epoch without a state, and returns the waiting requests,
    /// which the caller must answer. The next request finds the slot closed and tries again from the
    /// directory. Does nothing if a later incarnation has been started: the requests are for that one.
    pub(crate) fn recovery_failed(
        &self,
        epoch: Epoch,
        remove: impl FnOnce(),
    ) -> VecDeque<Request<A>> {
        let mut state = self.lock();
        if state.epoch != epoch {
            return VecDeque::new();
        }
        if state.is_in_memory() {
            state.phase = Phase::Closed;
            remove();
        }
        std::mem::take(&mut state.inbox)
    }

    /// Ends the slot because the runtime has ended: nothing is started any more. Returns the waiting
    /// requests, which the caller must answer.
    pub(crate) fn end(&self, why: Unavailable) -> VecDeque<Request<A>> {
        self.change(|state| {
            state.phase = Phase::Ended(why);
            std::mem::take(&mut state.inbox)
        })
    }

    /// Puts the aggregate out of service, and returns the waiting requests, which the caller must answer. A
    /// closed slot stays closed: it is no longer in the directory, where it could be released. `list` adds it to
    /// the quarantined ones, in one step under the slot's lock.
    pub(crate) fn quarantine(
        &self,
        why: Arc<Quarantine>,
        list: impl FnOnce(),
    ) -> VecDeque<Request<A>> {
        self.change(|state| {
            if !matches!(state.phase, Phase::Closed | Phase::Ended(_)) {
                state.phase = Phase::Quarantined(why);
                list();
            }
            std::mem::take(&mut state.inbox)
        })
    }

    /// Puts a quarantined aggregate back into service; `unlist` removes it from the quarantined ones. Returns
    /// false if it was not quarantined.
    pub(crate) fn release(&self, unlist: impl FnOnce()) -> bool {
        self.lock().release(unlist)
    }

    /// Returns whether the incarnation of this epoch is in service, so that its actor must not end.
    pub(crate) fn is_in_service(&self, epoch: Epoch) -> bool {
        let state = self.lock();
        state.epoch == epoch && state.is_in_memory()
    }

    /// Records that the actor of an incarnation has ended. Returns how, unless it left or was
    /// quarantined.
    pub(crate) fn actor_ended(&self, epoch: Epoch) -> Option<Failed> {
        self.change(|state| {
            if state.epoch != epoch || !state.is_in_memory() {
                return None;
            }
            state.phase = Phase::Vacant;
            state.failures += 1;
            let start = state.start_if_requests_wait();
            Some(Failed { in_a_row: state.failures, start })
        })
    }

    /// Ends an eviction, because the actor of this epoch ends, and returns whether there was one. From now on
    /// the incarnation cannot be chosen for eviction: nobody would end that.
    pub(crate) fn end_eviction(&self, epoch: Epoch) -> bool {
        let mut state = self.lock();
        if state.is_resident() {
            if state.epoch != epoch {
                // The actor of the later incarnation will end it.
                return false;
            }
            // Requests wait, as while it was loaded, until it is restarted.
            state.phase = Phase::Loading;
        }
        std::mem::take(&mut state.evicting)
    }

    /// Returns whether no incarnation is in memory or being recovered.
    pub(crate) fn is_unloaded(&self) -> bool {
        !self.lock().is_in_memory()
    }

    pub(crate) fn used_at(&self, tick: u64) {
        self.last_used.store(tick, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Changes the state, then wakes the actor if there is work for it. It is woken after the slot is
    /// unlocked, so that it does not wait for the lock at once.
    fn change<R>(&self, change: impl FnOnce(&mut SlotState<A>) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let bell = state.take_bell();
        drop(state);
        if let Some(bell) = bell {
            #[cfg(test)]
            tests::schedules::switch();
            bell.wake();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, SlotState<A>> {
        #[cfg(test)]
        tests::schedules::switch();
        // No user code runs under the lock, so a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
