//! The index: where the commits of each stream are.
//!
//! An entry per commit goes into the tail, in memory, so that an acknowledgement waits for no index
//! page. A full tail is frozen and written to disk as a run, a little with each group (`drain`);
//! eight runs of a level are merged into one of the next (`merge`). Tail, frozen tail and runs cover
//! the log without gaps; opening the store rebuilds the tail from the log behind the last run.

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};

use super::part::Entry;
use crate::keys;

/// One run on disk: the entries of the commits from `first` to `last`, sorted within buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) number: u32,
    pub(crate) level: u8,
    /// The position of the first event it covers.
    pub(crate) first: u64,
    /// The position of the last event it covers.
    pub(crate) last: u64,
    pub(crate) entries: u64,
}

/// Entries in memory, by bucket, each bucket in the order of the log.
#[derive(Debug)]
pub(crate) struct Buckets {
    pub(crate) buckets: Vec<Vec<Entry>>,
    pub(crate) entries: u64,
}

impl Buckets {
    fn new(buckets: u16) -> Self {
        Self { buckets: vec![Vec::new(); usize::from(buckets)], entries: 0 }
    }

    fn push(&mut self, entry: Entry) {
        let bucket = keys::bucket(entry.hash, self.buckets.len() as u16);
        self.buckets[usize::from(bucket)].push(entry);
        self.entries += 1;
    }

    /// The entries of the streams hashed `hash` within `range`, in the order of the log.
    fn find(&self, hash: u64, range: Range) -> impl DoubleEndedIterator<Item = &Entry> {
        let bucket = keys::bucket(hash, self.buckets.len() as u16);
        let bucket = &self.buckets[usize::from(bucket)];
        let start = bucket.partition_point(|entry| entry.position <= range.above);
        let end = bucket.partition_point(|entry| entry.position <= range.durable);
        let versions = range.versions;
        let matching =
            move |entry: &&Entry| entry.hash == hash && versions.contains(&entry.version);
        bucket.get(start..end).unwrap_or_default().iter().filter(matching)
    }
}

/// Which entries of a stream are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// The versions their commits start at.
    pub(crate) versions: RangeInclusive<u64>,
    /// Behind this position …
    pub(crate) above: u64,
    /// … and not behind this one, the last that is durable.
    pub(crate) durable: u64,
}

pub(crate) struct Index {
    state: RwLock<State>,
    count: u16,
}

struct State {
    tail: Buckets,
    frozen: Option<Arc<Buckets>>,
    /// Oldest first.
    runs: Arc<Vec<Run>>,
    /// Held by everyone who may look into `runs`; a new one after each merge.
    lease: Lease,
}

/// Whoever holds it may look into the runs it was handed out with: as long as anyone does, the
/// writer removes none of them from disk.
pub(crate) type Lease = Arc<()>;

/// What the index knows of a stream: entries still in memory, and the runs to look into.
pub(crate) struct Look {
    /// These are behind all runs in the log.
    pub(crate) recent: Vec<Entry>,
    /// Oldest first.
    pub(crate) runs: Arc<Vec<Run>>,
    _lease: Lease,
}

impl Index {
    pub(crate) fn new(buckets: u16, runs: Vec<Run>) -> Self {
        let (tail, runs) = (Buckets::new(buckets), Arc::new(runs));
        let state = State { tail, frozen: None, runs, lease: Lease::default() };
        Self { state: RwLock::new(state), count: buckets }
    }

    pub(crate) fn buckets(&self) -> u16 {
        self.count
    }

    /// The runs on disk, oldest first; none of them is removed while the lease is held.
    pub(crate) fn runs(&self) -> (Arc<Vec<Run>>, Lease) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.runs.clone(), state.lease.clone())
    }

    /// What is known of the streams hashed `hash`: the first `want` entries in memory.
    pub(crate) fn first(&self, hash: u64, range: &Range, want: usize) -> Look {
        self.look(|state| {
            let frozen = state.frozen.iter().flat_map(|frozen| frozen.find(hash, range.clone()));
            frozen.chain(state.tail.find(hash, range.clone())).take(want).copied().collect()
        })
    }

    /// The same, with the last `want` entries, the last one first.
    pub(crate) fn last(&self, hash: u64, range: &Range, want: usize) -> Look {
        self.look(|state| {
            let frozen = state.frozen.iter().flat_map(|frozen| frozen.find(hash, range.clone()));
            frozen.chain(state.tail.find(hash, range.clone())).rev().take(want).copied().collect()
        })
    }

    fn look(&self, recent: impl FnOnce(&State) -> Vec<Entry>) -> Look {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Look { recent: recent(&state), runs: state.runs.clone(), _lease: state.lease.clone() }
    }

    pub(crate) fn extend(&self, entries: impl IntoIterator<Item = Entry>) {
        self.change(|state| entries.into_iter().for_each(|entry| state.tail.push(entry)));
    }

    /// How many entries wait in the tail, and whether a frozen tail is still being drained.
    pub(crate) fn waiting(&self) -> (u64, bool) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.tail.entries, state.frozen.is_some())
    }

    /// Freezes the tail, which becomes a run.
    pub(crate) fn freeze(&self) -> Arc<Buckets> {
        self.change(|state| {
            let full = std::mem::replace(&mut state.tail, Buckets::new(self.count));
            state.frozen.insert(Arc::new(full)).clone()
        })
    }

    /// The frozen tail has become a run, which is durable.
    pub(crate) fn drained(&self, run: Run) {
        self.change(|state| {
            let mut runs = state.runs.to_vec();
            runs.push(run);
            state.runs = Arc::new(runs);
            state.frozen = None;
        });
    }

    /// The run `merged`, which is durable, takes the place of `sources`. Returns the lease of those
    /// who may still look into the sources.
    pub(crate) fn merged(&self, sources: &[Run], merged: Run) -> Lease {
        self.change(|state| {
            state.runs = Arc::new(replace(&state.runs, sources, merged));
            std::mem::take(&mut state.lease)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Each change is whole or has not begun, so a panic elsewhere leaves the index right.
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `runs` with `merged` in the place of `sources`, which follow each other.
pub(crate) fn replace(runs: &[Run], sources: &[Run], merged: Run) -> Vec<Run> {
    let mut left: Vec<_> = runs.to_vec();
    let at = runs.iter().position(|run| sources.contains(run)).unwrap_or(runs.len());
    left.retain(|run| !sources.contains(run));
    left.insert(at, merged);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: u64, position: u64) -> Entry {
        Entry { hash, version: position, position, chunk: position }
    }

    fn run(number: u32, first: u64, last: u64) -> Run {
        Run { number, level: 0, first, last, entries: last - first + 1 }
    }

    #[test]
    fn entries_stay_in_sight_while_they_move_to_disk() {
        let index = Index::new(4, vec![]);
        index.extend([entry(7, 1), entry(8, 2)]);
        index.freeze();
        index.extend([entry(7, 3), entry(7, 4)]);
        let range = |above, durable| Range { versions: 1..=9, above, durable };
        let positions = |above, durable| -> Vec<u64> {
            let look = index.first(7, &range(above, durable), 9);
            look.recent.iter().map(|entry| entry.position).collect()
        };
        assert_eq!(positions(0, 9), [1, 3, 4]);
        assert_eq!(positions(1, 3), [3], "behind the snapshot, and durable");
        index.drained(run(1, 1, 2));
        assert_eq!(positions(0, 9), [3, 4]);
        let look = index.last(7, &range(0, 9), 1);
        assert_eq!((look.recent[0], &*look.runs), (entry(7, 4), &vec![run(1, 1, 2)]));
    }

    #[test]
    fn a_merged_run_takes_the_place_of_its_sources() {
        let (old, one, two, new) = (run(9, 1, 4), run(1, 5, 6), run(2, 7, 8), run(3, 9, 9));
        let merged = run(4, 5, 8);
        assert_eq!(replace(&[old, one, two, new], &[one, two], merged), [old, merged, new]);
    }
}
