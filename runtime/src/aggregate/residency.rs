//! [`Residency`]: which aggregates of a type are in memory, and which are unloaded first.

use std::cmp::{Ordering as Operation, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actuarius_domain::Aggregate;

use super::inbox::{Eviction, Slot};
use crate::base::error::Quarantine;

/// How many aggregates one sweep evicts at most, so that a sweep over a million idle aggregates never
/// occupies the lock for long.
const EVICTED_PER_SWEEP: usize = 10_000;

/// How many busy aggregates a sweep skips. Busy ones are never evicted (that would thrash), so searching
/// further would only cost time.
const BUSY_SKIPPED: usize = 64;

/// How many entries of unloaded aggregates are kept, in addition to one per resident aggregate, before
/// they are removed.
const UNLOADED_KEPT: usize = 1_024;

/// How many quarantined aggregates are listed. More than that have one common cause.
const QUARANTINES_LISTED: usize = 1_000;

/// How many slots without an incarnation are kept: quarantined aggregates, and aggregates whose actor has
/// failed. Beyond it, the oldest are removed, about 0.5 KB each; their next request recovers them again.
const SLOTS_RETAINED: usize = 10_000;

/// The aggregates of one type that are in memory, ordered by last use.
///
/// The heap holds one entry per aggregate with a *lower bound* of its last use. Using an aggregate
/// writes only to its slot; the entry is corrected when it reaches the top. So the least recently used
/// aggregate is found exactly, at no cost per command.
pub(crate) struct Residency<A: Aggregate> {
    count: AtomicUsize,
    /// How many were evicted and have neither left nor been used since. They have no entry in the heap.
    evicting: AtomicUsize,
    limit: usize,
    epoch: Instant,
    by_use: Mutex<BinaryHeap<Reverse<Entry<A>>>>,
    quarantines: Mutex<Quarantines>,
    /// The slots without an incarnation that are kept, oldest first.
    retained: Mutex<VecDeque<Arc<Slot<A>>>>,
}

/// The quarantined aggregates, by id.
#[derive(Default)]
struct Quarantines {
    listed: BTreeMap<Arc<str>, Arc<Quarantine>>,
    /// Further ones, no more than slots are kept.
    unlisted: BTreeSet<Arc<str>>,
}

struct Entry<A: Aggregate> {
    used: u64,
    slot: Arc<Slot<A>>,
}

impl<A: Aggregate> Residency<A> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            evicting: AtomicUsize::new(0),
            limit,
            epoch: Instant::now(),
            by_use: Mutex::default(),
            quarantines: Mutex::default(),
            retained: Mutex::default(),
        }
    }

    /// Records that an aggregate was loaded, and evicts others if the limit is exceeded.
    pub(crate) fn loaded(&self, slot: &Arc<Slot<A>>) {
        let tick = self.tick(Instant::now());
        slot.used_at(tick);
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        let mut heap = self.heap();
        heap.push(Reverse(Entry { used: tick, slot: slot.clone() }));
        if heap.len() > 2 * count + UNLOADED_KEPT {
            heap.retain(|Reverse(entry)| !entry.slot.is_unloaded());
        }
        drop(heap);
        self.make_room();
    }

    /// Records that an aggregate was unloaded. Unless it was evicted, its entry is removed when it
    /// reaches the top.
    pub(crate) fn unloaded(&self, was_evicted: bool) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        if was_evicted {
            self.eviction_ended();
        }
    }

    /// Records that an aggregate stays in memory, because it was used again during its eviction.
    pub(crate) fn stays(&self, slot: &Arc<Slot<A>>) {
        self.eviction_ended();
        self.heap().push(Reverse(Entry { used: slot.last_used(), slot: slot.clone() }));
    }

    /// Records that an aggregate is no longer being evicted.
    pub(crate) fn eviction_ended(&self) {
        self.evicting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Returns how many aggregates are being evicted.
    pub(crate) fn evicting(&self) -> usize {
        self.evicting.load(Ordering::Acquire)
    }

    /// Returns how many aggregates are in memory.
    pub(crate) fn resident(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Records a use at `now`.
    pub(crate) fn used(&self, slot: &Slot<A>, now: Instant) {
        slot.used_at(self.tick(now));
    }

    /// Evicts aggregates that have been idle for `idle`, and those beyond the limit.
    pub(crate) fn sweep(&self, idle: Option<Duration>) {
        if let Some(idle) = idle {
            let idle = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
            let before = self.tick(Instant::now()).checked_sub(idle);
            self.evict(EVICTED_PER_SWEEP, before);
        }
        self.make_room();
    }

    fn make_room(&self) {
        let staying = self.resident().saturating_sub(self.evicting());
        let surplus = staying.saturating_sub(self.limit);
        if surplus > 0 {
            self.evict(surplus.min(EVICTED_PER_SWEEP), Some(u64::MAX));
        }
    }

    /// Evicts up to `count` aggregates last used at or before `before`, least recently used first.
    fn evict(&self, count: usize, before: Option<u64>) {
        let (Some(before), mut evicted, mut busy) = (before, 0, Vec::new()) else { return };
        let mut heap = self.heap();
        while evicted < count
            && busy.len() < BUSY_SKIPPED
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
            match self.evict_slot(&entry.slot) {
                Eviction::Leaving => evicted += 1,
                Eviction::Busy => busy.push(entry),
                Eviction::Unloaded => {}
            }
        }
        heap.extend(busy.into_iter().map(Reverse));
    }

    /// Evicts one aggregate, and counts it if it will be unloaded.
    pub(crate) fn evict_slot(&self, slot: &Slot<A>) -> Eviction {
        // Counted first, because the aggregate may be unloaded immediately.
        self.evicting.fetch_add(1, Ordering::AcqRel);
        let eviction = slot.evict();
        if eviction != Eviction::Leaving {
            self.eviction_ended();
        }
        eviction
    }

    pub(crate) fn quarantined(&self, why: Arc<Quarantine>) {
        let mut quarantines = self.quarantines_now();
        if quarantines.listed.len() < QUARANTINES_LISTED {
            quarantines.listed.insert(why.id.clone(), why);
        } else {
            quarantines.unlisted.insert(why.id.clone());
        }
    }

    pub(crate) fn released(&self, id: &str) {
        let mut quarantines = self.quarantines_now();
        quarantines.listed.remove(id);
        quarantines.unlisted.remove(id);
    }

    /// Keeps a slot without an incarnation. If there are too many, the oldest one is forgotten, unless it is in
    /// use; `remove` removes it from the directory.
    pub(crate) fn retain(&self, slot: &Arc<Slot<A>>, remove: impl FnOnce(&Arc<Slot<A>>)) {
        let mut retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        retained.push_back(slot.clone());
        let oldest = if retained.len() > SLOTS_RETAINED { retained.pop_front() } else { None };
        drop(retained);
        if let Some(oldest) = oldest {
            oldest.forget(|| {
                remove(&oldest);
                self.released(oldest.stream.id());
            });
        }
    }

    /// Returns the listed quarantined aggregates, and how many others there are.
    pub(crate) fn quarantines(&self) -> (Vec<Arc<Quarantine>>, usize) {
        let quarantines = self.quarantines_now();
        (quarantines.listed.values().cloned().collect(), quarantines.unlisted.len())
    }

    fn quarantines_now(&self) -> MutexGuard<'_, Quarantines> {
        self.quarantines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the microseconds from the hosting of the type to `now`.
    fn tick(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Entry<A>>>> {
        self.by_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Aggregate> Ord for Entry<A> {
    fn cmp(&self, other: &Self) -> Operation {
        self.used.cmp(&other.used)
    }
}

impl<A: Aggregate> PartialOrd for Entry<A> {
    fn partial_cmp(&self, other: &Self) -> Option<Operation> {
        Some(self.cmp(other))
    }
}

impl<A: Aggregate> PartialEq for Entry<A> {
    fn eq(&self, other: &Self) -> bool {
        self.used == other.used
    }
}

impl<A: Aggregate> Eq for Entry<A> {}
