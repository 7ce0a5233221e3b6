//! An aggregate's place: the inbox that outlives every incarnation, and the phase it is in.
//!
//! ractor's mailbox cannot carry commands: it has no bound and dies with its actor. So commands
//! wait here, and the actor's mailbox carries only a doorbell, rung when there is something to do.

mod clear_text;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::{Aggregate, Position, StreamId, Version};
use ractor::ActorRef;

use super::request::Request;
use crate::base::error::{Failure, Limit, Quarantine};
use clear_text::ClearText;

/// The most requests an actor takes at once: keeps one hot aggregate from holding a thread, and its
/// callers' answers, for more than a fraction of a millisecond.
const TURN_REQUESTS: usize = 1_024;

/// The only message an aggregate's actor gets: look into your slot. A plain byte, because that is a
/// message under every feature set of ractor.
pub(crate) type Bell = u8;

pub(crate) struct Slot<A: Aggregate> {
    pub(crate) stream: StreamId,
    inner: Mutex<Inner<A>>,
    /// When the aggregate was last used, on the clock of its host's residency.
    last_used: AtomicU64,
}

struct Inner<A: Aggregate> {
    phase: Phase,
    /// Numbers the incarnations, so that a late word from an earlier one is told from the present.
    epoch: Epoch,
    inbox: VecDeque<Request<A>>,
    /// The bell has been rung and not yet answered.
    rung: bool,
    /// A turn is being decided or its append is in flight. At most one at a time.
    busy: bool,
    leaving: Leaving,
    /// Asked to make room, and neither left nor used since.
    asked: bool,
    /// How the last turn ended, until the actor takes note.
    landing: Option<Landing>,
    /// How often in a row its actor failed.
    failures: u32,
    clear_text: ClearText,
}

enum Phase {
    /// No incarnation; the next request starts one.
    Vacant,
    /// An incarnation is being recovered.
    Loading,
    /// An incarnation is in memory, behind this bell.
    Resident(ActorRef<Bell>),
    /// Out of service.
    Quarantined(Arc<Quarantine>),
    /// No longer in the directory: look there again.
    Closed,
    /// The runtime is closed.
    Ended,
}

/// The number of an incarnation.
pub(crate) type Epoch = u64;

/// Whether an aggregate is asked to leave memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    No,
    /// To make room, unless it is used in the meantime.
    IfIdle,
    /// As soon as it has nothing to do.
    WhenIdle,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// Nothing was to be stored.
    Nothing,
    /// Its events are durable: the one behind version `base` stands at `first`.
    Stored { base: Version, first: Position, snapshot_due: bool },
    /// Its events are not: the state in memory is wrong and must be rebuilt.
    Failed,
}

/// What became of a request that was brought.
pub(crate) enum Pushed<A: Aggregate> {
    Queued,
    /// It waits, and this incarnation must be started.
    Start(Epoch),
    Refused(Request<A>, Failure),
    Closed(Request<A>),
}

/// What the actor finds when the bell rings.
pub(crate) struct Found<A: Aggregate> {
    pub(crate) requests: VecDeque<Request<A>>,
    pub(crate) landing: Option<Landing>,
    pub(crate) leaving: bool,
    /// It was asked to make room, and is wanted again.
    pub(crate) stays: bool,
    /// The state must be rebuilt before anything else.
    pub(crate) renews: bool,
}

impl<A: Aggregate> Slot<A> {
    pub(crate) fn new(stream: StreamId) -> Self {
        let inner = Inner {
            phase: Phase::Vacant,
            epoch: 0,
            inbox: VecDeque::new(),
            rung: false,
            busy: false,
            leaving: Leaving::No,
            asked: false,
            landing: None,
            failures: 0,
            clear_text: ClearText::default(),
        };
        Self { stream, inner: Mutex::new(inner), last_used: AtomicU64::new(0) }
    }

    /// Brings a request.
    pub(crate) fn push(&self, request: Request<A>, limit: usize) -> Pushed<A> {
        let mut inner = self.lock();
        match &inner.phase {
            Phase::Closed => return Pushed::Closed(request),
            Phase::Ended => return Pushed::Refused(request, Failure::shutting_down()),
            Phase::Quarantined(why) => {
                let failure = Failure::Quarantined(why.clone());
                return Pushed::Refused(request, failure);
            }
            _ if inner.inbox.len() >= limit => {
                return Pushed::Refused(request, Failure::Overloaded(Limit::Inbox(limit)));
            }
            _ => inner.inbox.push_back(request),
        }
        inner.start().map_or(Pushed::Queued, Pushed::Start)
    }

    /// Whether what waits first is believed to be the aggregate's first request at all.
    pub(crate) fn awaits_birth(&self) -> bool {
        self.lock().inbox.front().is_some_and(Request::creates)
    }

    /// Answers the bell: takes what waits, and marks the slot busy if that is anything. Finds
    /// nothing while a turn is under way: its end rings again.
    pub(crate) fn answer_bell(&self, epoch: Epoch) -> Option<Found<A>> {
        let mut inner = self.lock();
        if inner.epoch != epoch || !matches!(inner.phase, Phase::Resident(_)) {
            return None;
        }
        inner.rung = false;
        if inner.busy {
            return None;
        }
        let requests = inner.take_requests();
        inner.busy = !requests.is_empty();
        let leaving = inner.leaving != Leaving::No;
        let stays = inner.busy && std::mem::take(&mut inner.asked);
        if inner.busy && inner.leaving == Leaving::IfIdle {
            inner.leaving = Leaving::No;
        }
        let renews = inner.clear_text.begin_renewal();
        Some(Found { requests, landing: inner.landing.take(), leaving, stays, renews })
    }

    /// Puts requests that were taken and not looked at back to the front, in order.
    pub(crate) fn put_back(&self, mut requests: VecDeque<Request<A>>) {
        let mut inner = self.lock();
        requests.append(&mut inner.inbox);
        inner.inbox = requests;
    }

    /// Ends a turn. Returns the incarnation to be started when the one that took the turn is gone
    /// and requests wait.
    #[must_use]
    pub(crate) fn end_turn(&self, landing: Landing) -> Option<Epoch> {
        let mut inner = self.lock();
        inner.busy = false;
        if landing != Landing::Failed {
            inner.failures = 0;
        }
        let snapshot_due = matches!(landing, Landing::Stored { snapshot_due: true, .. });
        inner.landing = match (inner.landing.take(), landing) {
            (Some(Landing::Failed), _) => Some(Landing::Failed),
            (before, Landing::Nothing) => before,
            (_, landing) => Some(landing),
        };
        let renews = inner.clear_text.is_to_renew();
        if snapshot_due || inner.leaving != Leaving::No || renews {
            inner.ring();
        }
        inner.start_if_awaited()
    }

    /// The incarnation behind `bell` is ready.
    pub(crate) fn now_resident(&self, epoch: Epoch, bell: ActorRef<Bell>) {
        let mut inner = self.lock();
        if inner.epoch == epoch && matches!(inner.phase, Phase::Loading) {
            inner.phase = Phase::Resident(bell);
            // What an earlier incarnation left behind concerns this one no more.
            inner.landing = None;
            inner.rung = false;
            let renews = inner.clear_text.is_to_renew();
            if !inner.inbox.is_empty() || inner.leaving != Leaving::No || renews {
                inner.ring();
            }
        }
    }

    /// Asks the aggregate to leave memory if it is idle, to make room.
    pub(crate) fn make_room(&self) -> Asked {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Resident(_) if inner.is_idle() => {
                if inner.leaving == Leaving::No {
                    inner.leaving = Leaving::IfIdle;
                }
                inner.asked = true;
                inner.ring();
                Asked::Leaving
            }
            Phase::Resident(_) | Phase::Loading => Asked::Busy,
            _ => Asked::Gone,
        }
    }

    /// Has the aggregate leave memory as soon as it has nothing to do. False if it is not there.
    pub(crate) fn leave_when_idle(&self) -> bool {
        let mut inner = self.lock();
        let here = matches!(inner.phase, Phase::Resident(_) | Phase::Loading);
        if here {
            inner.leaving = Leaving::WhenIdle;
            inner.ring();
        }
        here
    }

    /// Leaves memory if nothing waits and nothing is in flight: one step, under the slot's lock,
    /// with `forget` taking it out of the directory. A request that comes later finds the slot
    /// closed and looks the directory up again.
    pub(crate) fn try_close(&self, forget: impl FnOnce()) -> bool {
        let mut inner = self.lock();
        if !inner.is_idle() || !matches!(inner.phase, Phase::Resident(_)) {
            return false;
        }
        inner.phase = Phase::Closed;
        forget();
        true
    }

    /// Ends a recovery without an incarnation; what waited is handed back to be answered. The next
    /// request finds the slot closed, and tries again from the directory.
    pub(crate) fn recovery_failed(&self, forget: impl FnOnce()) -> VecDeque<Request<A>> {
        let mut inner = self.lock();
        if !matches!(inner.phase, Phase::Ended) {
            inner.phase = Phase::Closed;
            forget();
        }
        std::mem::take(&mut inner.inbox)
    }

    /// The runtime has closed: nothing starts here any more. What waited is handed back to be
    /// answered.
    pub(crate) fn end(&self) -> VecDeque<Request<A>> {
        let mut inner = self.lock();
        inner.phase = Phase::Ended;
        std::mem::take(&mut inner.inbox)
    }

    /// Puts the aggregate out of service; what waited is handed back to be answered.
    pub(crate) fn quarantine(&self, why: Arc<Quarantine>) -> VecDeque<Request<A>> {
        let mut inner = self.lock();
        inner.phase = Phase::Quarantined(why);
        std::mem::take(&mut inner.inbox)
    }

    /// Puts a quarantined aggregate back into service.
    pub(crate) fn release(&self) -> bool {
        let mut inner = self.lock();
        let quarantined = matches!(inner.phase, Phase::Quarantined(_));
        if quarantined {
            inner.phase = Phase::Vacant;
            inner.failures = 0;
        }
        quarantined
    }

    /// The actor of an incarnation has ended. If it did so without leaving, returns how that was.
    pub(crate) fn actor_ended(&self, epoch: Epoch) -> Option<Failed> {
        let mut inner = self.lock();
        let was_resident = matches!(inner.phase, Phase::Resident(_));
        if inner.epoch != epoch || !(was_resident || matches!(inner.phase, Phase::Loading)) {
            return None;
        }
        inner.phase = Phase::Vacant;
        inner.failures += 1;
        let start = inner.start_if_awaited();
        Some(Failed { in_a_row: inner.failures, was_resident, start })
    }

    /// Whether it was asked to make room; it is not any more.
    pub(crate) fn take_asked(&self) -> bool {
        std::mem::take(&mut self.lock().asked)
    }

    /// Whether no incarnation is in memory or on its way.
    pub(crate) fn is_gone(&self) -> bool {
        !matches!(self.lock().phase, Phase::Resident(_) | Phase::Loading)
    }

    pub(crate) fn used_at(&self, tick: u64) {
        self.last_used.store(tick, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        // No user code runs under the lock, so a panic cannot leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an actor failed.
pub(crate) struct Failed {
    /// How often in a row this aggregate's actors have.
    pub(crate) in_a_row: u32,
    pub(crate) was_resident: bool,
    /// The incarnation to be started for what waits.
    pub(crate) start: Option<Epoch>,
}

/// What an aggregate answers when asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It will.
    Leaving,
    /// It has work to do.
    Busy,
    /// It is not in memory.
    Gone,
}

impl<A: Aggregate> Inner<A> {
    fn is_idle(&self) -> bool {
        self.inbox.is_empty() && !self.busy
    }

    fn start_if_awaited(&mut self) -> Option<Epoch> {
        if self.inbox.is_empty() { None } else { self.start() }
    }

    /// Sees to it that somebody looks at the inbox; returns the incarnation that must be started.
    ///
    /// While a turn is under way nothing is done, its end calls here again: so a new incarnation
    /// never recovers before the old one's last append is decided.
    fn start(&mut self) -> Option<Epoch> {
        match self.phase {
            Phase::Vacant if !self.busy => {
                self.phase = Phase::Loading;
                // It is rebuilt from what is stored now.
                self.clear_text = ClearText::default();
                self.epoch += 1;
                Some(self.epoch)
            }
            Phase::Resident(_) => {
                self.ring();
                None
            }
            _ => None,
        }
    }

    fn ring(&mut self) {
        if let Phase::Resident(bell) = &self.phase
            && !self.rung
            && !self.busy
        {
            // A dead actor's supervisor reports its end, which starts the next incarnation.
            self.rung = bell.cast(1).is_ok();
        }
    }

    fn take_requests(&mut self) -> VecDeque<Request<A>> {
        if self.inbox.len() <= TURN_REQUESTS {
            return std::mem::take(&mut self.inbox);
        }
        let rest = self.inbox.split_off(TURN_REQUESTS);
        std::mem::replace(&mut self.inbox, rest)
    }
}
