//! Who is in memory, and who leaves first.

use std::cmp::{Ordering as Order, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actuarius_domain::Aggregate;

use super::inbox::{Asked, Slot};
use crate::base::error::Quarantine;

/// How many aggregates one sweep asks at most, so that a sweep over a million idle aggregates never
/// holds the lock, or the managers, for long.
const ASKED_PER_SWEEP: usize = 10_000;

/// How many busy aggregates are passed over when room is wanted. Busy ones are never put out
/// (that would thrash), so looking further would only cost.
const BUSY_PASSED_OVER: usize = 64;

/// How many entries of aggregates that have left may linger, beside one per resident, before they
/// are cleared out.
const GONE_KEPT: usize = 1_024;

/// How many quarantined aggregates are listed. More than that is one cause, not many.
const QUARANTINES_LISTED: usize = 1_000;

/// The aggregates of one type that are in memory, by last use.
///
/// The heap holds one entry per aggregate with a *lower bound* of its last use. Using an aggregate
/// touches only its slot; the entry is corrected when it comes to the top. So the least recently
/// used is found exactly, at no cost per command.
pub(crate) struct Residency<A: Aggregate> {
    count: AtomicUsize,
    /// How many have been asked to make room and have neither left nor been used since. They have
    /// no entry in the heap.
    asked: AtomicUsize,
    limit: usize,
    epoch: Instant,
    by_use: Mutex<BinaryHeap<Reverse<Entry<A>>>>,
    quarantines: Mutex<BTreeMap<Arc<str>, Arc<Quarantine>>>,
}

struct Entry<A: Aggregate> {
    used: u64,
    slot: Arc<Slot<A>>,
}

impl<A: Aggregate> Residency<A> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            limit,
            epoch: Instant::now(),
            by_use: Mutex::default(),
            quarantines: Mutex::default(),
        }
    }

    /// An aggregate has come into memory; if it is one too many, others are asked to leave.
    pub(crate) fn came(&self, slot: &Arc<Slot<A>>) {
        let tick = self.tick(Instant::now());
        slot.used_at(tick);
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        let mut heap = self.heap();
        heap.push(Reverse(Entry { used: tick, slot: slot.clone() }));
        if heap.len() > 2 * count + GONE_KEPT {
            heap.retain(|Reverse(entry)| !entry.slot.is_gone());
        }
        drop(heap);
        self.make_room();
    }

    /// An aggregate has left memory. If it was not asked to, its entry goes when it comes to the
    /// top.
    pub(crate) fn left(&self, asked: bool) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        if asked {
            self.asked.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// An aggregate that was asked to make room is wanted again.
    pub(crate) fn stays(&self, slot: &Arc<Slot<A>>) {
        self.asked.fetch_sub(1, Ordering::AcqRel);
        self.heap().push(Reverse(Entry { used: slot.last_used(), slot: slot.clone() }));
    }

    /// How many aggregates are in memory.
    pub(crate) fn resident(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Marks a use, for which the caller has the time at hand.
    pub(crate) fn used(&self, slot: &Slot<A>, now: Instant) {
        slot.used_at(self.tick(now));
    }

    /// Asks those to leave that have been idle for `idle`, and those over the limit.
    pub(crate) fn sweep(&self, idle: Option<Duration>) {
        if let Some(idle) = idle {
            let idle = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
            let before = self.tick(Instant::now()).checked_sub(idle);
            self.ask(ASKED_PER_SWEEP, BUSY_PASSED_OVER, before);
        }
        self.make_room();
    }

    fn make_room(&self) {
        let staying = self.resident().saturating_sub(self.asked.load(Ordering::Acquire));
        let surplus = staying.saturating_sub(self.limit);
        if surplus > 0 {
            self.ask(surplus.min(ASKED_PER_SWEEP), BUSY_PASSED_OVER, Some(u64::MAX));
        }
    }

    /// Asks up to `count` aggregates last used at or before `before` to leave, oldest use first.
    fn ask(&self, count: usize, busy_limit: usize, before: Option<u64>) {
        let (Some(before), mut asked, mut busy) = (before, 0, Vec::new()) else { return };
        let mut heap = self.heap();
        while asked < count
            && busy.len() < busy_limit
            && let Some(Reverse(mut entry)) = heap.pop()
        {
            let used = entry.slot.last_used();
            if used > entry.used {
                entry.used = used;
                heap.push(Reverse(entry));
                continue;
            }
            if entry.used > before {
                heap.push(Reverse(entry));
                break;
            }
            // Counted before it is asked, because it may have left right after.
            self.asked.fetch_add(1, Ordering::AcqRel);
            let answer = entry.slot.make_room();
            if answer != Asked::Leaving {
                self.asked.fetch_sub(1, Ordering::AcqRel);
            }
            match answer {
                Asked::Leaving => asked += 1,
                Asked::Busy => busy.push(entry),
                Asked::Gone => {}
            }
        }
        heap.extend(busy.into_iter().map(Reverse));
    }

    pub(crate) fn quarantined(&self, why: Arc<Quarantine>) {
        let mut quarantines = self.quarantines.lock().unwrap_or_else(PoisonError::into_inner);
        if quarantines.len() < QUARANTINES_LISTED {
            quarantines.insert(why.id.clone(), why);
        }
    }

    pub(crate) fn released(&self, id: &str) {
        self.quarantines.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn quarantines(&self) -> Vec<Arc<Quarantine>> {
        let quarantines = self.quarantines.lock().unwrap_or_else(PoisonError::into_inner);
        quarantines.values().cloned().collect()
    }

    /// Microseconds since the type was hosted.
    fn tick(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Entry<A>>>> {
        self.by_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Aggregate> Ord for Entry<A> {
    fn cmp(&self, other: &Self) -> Order {
        self.used.cmp(&other.used)
    }
}

impl<A: Aggregate> PartialOrd for Entry<A> {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl<A: Aggregate> PartialEq for Entry<A> {
    fn eq(&self, other: &Self) -> bool {
        self.used == other.used
    }
}

impl<A: Aggregate> Eq for Entry<A> {}
