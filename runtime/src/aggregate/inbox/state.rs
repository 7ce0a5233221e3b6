//! What a slot's lock protects: the phase of the aggregate, its waiting requests and its bell.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

use actuarius_domain::{Aggregate, Position, Version};

use super::super::request::Request;
use super::clear_text::ClearText;
use crate::base::error::{Failure, Quarantine, Unavailable};

/// The number of an incarnation.
pub(crate) type Epoch = u64;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnOutcome {
    /// There was nothing to store.
    Nothing,
    /// Its events are durable: the one after version `base` has the position `first`.
    Stored { base: Version, first: Position, snapshot_due: bool },
    /// Its events are not durable: the state in memory is wrong and must be rebuilt.
    Failed,
}

/// How many requests an actor takes at once. The bound keeps one hot aggregate from occupying a thread,
/// and delaying its own replies, for more than a fraction of a millisecond.
const TURN_REQUESTS: usize = 1_024;

pub(super) struct SlotState<A: Aggregate> {
    pub(super) phase: Phase,
    /// Numbers the incarnations, so that a late report of an earlier one is recognized.
    pub(super) epoch: Epoch,
    pub(super) inbox: VecDeque<Request<A>>,
    /// Wakes the actor, while it waits for work.
    pub(super) bell: Option<Waker>,
    /// The bell has been rung, and the actor has not yet taken the work.
    pub(super) rung: bool,
    /// A turn is being decided or its append is in flight. There is at most one at a time.
    pub(super) busy: bool,
    pub(super) leaving: Leaving,
    /// It was chosen for eviction, and has neither left nor been used since.
    pub(super) evicting: bool,
    /// How the last turn ended, until the actor takes it.
    pub(super) last_turn: Option<TurnOutcome>,
    /// How many times in a row its actor has failed.
    pub(super) failures: u32,
    pub(super) clear_text: ClearText,
}

pub(super) enum Phase {
    /// No incarnation; the next request starts one.
    Vacant,
    /// An incarnation is being recovered.
    Loading,
    /// An incarnation is in memory and waits for the bell.
    Resident,
    /// Out of service.
    Quarantined(Arc<Quarantine>),
    /// No longer in the directory; senders look the aggregate up again.
    Closed,
    /// The runtime has ended.
    Ended(Unavailable),
}

/// Whether an aggregate is to be unloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// To free memory, unless a request arrives before.
    IfIdle,
    /// As soon as nothing waits and nothing is in flight.
    WhenIdle,
}

impl<A: Aggregate> SlotState<A> {
    pub(super) fn vacant() -> Self {
        Self {
            phase: Phase::Vacant,
            epoch: 0,
            inbox: VecDeque::new(),
            bell: None,
            rung: false,
            busy: false,
            leaving: Leaving::No,
            evicting: false,
            last_turn: None,
            failures: 0,
            clear_text: ClearText::default(),
        }
    }

    /// Puts a quarantined aggregate back into service. Returns false if it was not quarantined.
    pub(super) fn release(&mut self, unlist: impl FnOnce()) -> bool {
        let quarantined = matches!(self.phase, Phase::Quarantined(_));
        if quarantined {
            self.phase = Phase::Vacant;
            self.failures = 0;
            unlist();
        }
        quarantined
    }

    pub(super) fn is_idle(&self) -> bool {
        self.inbox.is_empty() && !self.busy
    }

    /// Returns whether an incarnation is in memory or being recovered.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.phase, Phase::Resident | Phase::Loading)
    }

    pub(super) fn is_resident(&self) -> bool {
        matches!(self.phase, Phase::Resident)
    }

    /// Returns the failure of every request, if the aggregate serves none.
    pub(super) fn refusal(&self) -> Option<Failure> {
        match &self.phase {
            Phase::Quarantined(why) => Some(Failure::Quarantined(why.clone())),
            Phase::Ended(why) => Some(Failure::Unavailable(why.clone())),
            Phase::Vacant | Phase::Loading | Phase::Resident | Phase::Closed => None,
        }
    }

    pub(super) fn start_if_requests_wait(&mut self) -> Option<Epoch> {
        if self.inbox.is_empty() { None } else { self.start() }
    }

    /// Ensures that the inbox will be processed; returns the incarnation that the caller must start.
    ///
    /// Does nothing while a turn is running, because the end of the turn calls it again: so a new
    /// incarnation never recovers before the outcome of the old one's last append is known.
    pub(super) fn start(&mut self) -> Option<Epoch> {
        match self.phase {
            Phase::Vacant if !self.busy => {
                self.phase = Phase::Loading;
                // The new state is built from what is stored now.
                self.clear_text = ClearText::default();
                self.epoch += 1;
                Some(self.epoch)
            }
            Phase::Resident => {
                self.ring();
                None
            }
            _ => None,
        }
    }

    /// Rings the bell, unless the end of the current turn will ring it.
    pub(super) fn ring(&mut self) {
        self.rung |= self.is_resident() && !self.busy;
    }

    /// Rings the bell if the actor has anything to do.
    pub(super) fn ring_if_needed(&mut self) {
        let needs_rebuild = self.clear_text.needs_rebuild();
        if !self.inbox.is_empty() || self.leaving != Leaving::No || needs_rebuild {
            self.ring();
        }
    }

    /// Removes the waker of an actor that has work, or nothing to wait for any more. The caller wakes it
    /// after it has unlocked the slot.
    pub(super) fn take_bell(&mut self) -> Option<Waker> {
        if self.rung || !self.is_resident() { self.bell.take() } else { None }
    }

    /// Leaves the waker of the actor that waits for work.
    pub(super) fn listen(&mut self, context: &Context<'_>) {
        match &mut self.bell {
            Some(bell) => bell.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }

    /// Returns whether nothing can be done without room for an append: a command is the next request, and the
    /// state need not be rebuilt. Queries and the end of an idle aggregate need no room.
    pub(super) fn needs_room(&self) -> bool {
        let next_is_command = self.inbox.front().is_some_and(|it| !it.is_query());
        next_is_command && !self.clear_text.needs_rebuild()
    }

    /// Takes the queries before the first command.
    pub(super) fn take_queries(&mut self) -> VecDeque<Request<A>> {
        let queries = self.inbox.iter().take_while(|it| it.is_query()).count();
        let rest = self.inbox.split_off(queries.min(TURN_REQUESTS));
        std::mem::replace(&mut self.inbox, rest)
    }

    pub(super) fn take_requests(&mut self) -> VecDeque<Request<A>> {
        if self.inbox.len() <= TURN_REQUESTS {
            return std::mem::take(&mut self.inbox);
        }
        let rest = self.inbox.split_off(TURN_REQUESTS);
        std::mem::replace(&mut self.inbox, rest)
    }

    pub(super) fn request_rebuild(&mut self) {
        self.clear_text.request_rebuild();
        self.ring();
    }
}
