//! The index of an open store: its entries in memory, and which runs are on disk.
//!
//! Each commit adds an entry to the tail in memory, so that no acknowledgement waits for an index page. A
//! full tail is frozen and written to disk as a run, a part with each group (`flush`). Eight runs of a
//! level are merged into one of the next (`compaction`). Tail, frozen tail and runs cover the log without
//! gaps. Opening the store rebuilds the tail from the log after the last run.

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};

use super::part::Entry;
use crate::keys;

/// A run on disk: the entries of the commits from `first` to `last`, sorted within buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) number: u32,
    pub(crate) level: u8,
    /// The position of the first event that it covers.
    pub(crate) first: u64,
    /// The position of the last event that it covers.
    pub(crate) last: u64,
    pub(crate) entries: u64,
}

/// Entries in memory, in buckets. The entries of a bucket are in the order of the log.
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

    /// Returns the entries of streams with this hash within `range`, in the order of the log.
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

/// The entries of a stream to look up.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// The first versions of their commits.
    pub(crate) versions: RangeInclusive<u64>,
    /// The position after which they start.
    pub(crate) above: u64,
    /// The last position at which they may start: the last durable one.
    pub(crate) durable: u64,
}

/// The index of an open store.
pub(crate) struct Index {
    state: RwLock<State>,
    count: u16,
}

struct State {
    tail: Buckets,
    frozen: Option<Arc<Buckets>>,
    /// Oldest first.
    runs: Arc<Vec<Run>>,
    /// Held by every reader of `runs`. Replaced after each compaction.
    pin: RunsPin,
}

/// Protects the runs that were returned with it: the writer removes none of them from disk while it is
/// held.
pub(crate) type RunsPin = Arc<()>;

/// The result of a lookup: a stream's entries in memory, and the runs to search.
pub(crate) struct Lookup {
    /// The entries in memory, which are after all runs in the log.
    pub(crate) recent: Vec<Entry>,
    /// Oldest first.
    pub(crate) runs: Arc<Vec<Run>>,
    _pin: RunsPin,
}

impl Index {
    pub(crate) fn new(buckets: u16, runs: Vec<Run>) -> Self {
        let (tail, runs) = (Buckets::new(buckets), Arc::new(runs));
        let state = State { tail, frozen: None, runs, pin: RunsPin::default() };
        Self { state: RwLock::new(state), count: buckets }
    }

    pub(crate) fn buckets(&self) -> u16 {
        self.count
    }

    /// Returns the runs on disk, oldest first. None of them is removed while the pin is held.
    pub(crate) fn runs(&self) -> (Arc<Vec<Run>>, RunsPin) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.runs.clone(), state.pin.clone())
    }

    /// Looks up the streams with this hash: the first `want` entries in memory.
    pub(crate) fn first(&self, hash: u64, range: &Range, want: usize) -> Lookup {
        self.lookup(|state| {
            let frozen = state.frozen.iter().flat_map(|frozen| frozen.find(hash, range.clone()));
            frozen.chain(state.tail.find(hash, range.clone())).take(want).copied().collect()
        })
    }

    /// Looks up the streams with this hash: the last `want` entries in memory, the last one first.
    pub(crate) fn last(&self, hash: u64, range: &Range, want: usize) -> Lookup {
        self.lookup(|state| {
            let frozen = state.frozen.iter().flat_map(|frozen| frozen.find(hash, range.clone()));
            frozen.chain(state.tail.find(hash, range.clone())).rev().take(want).copied().collect()
        })
    }

    fn lookup(&self, recent: impl FnOnce(&State) -> Vec<Entry>) -> Lookup {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Lookup { recent: recent(&state), runs: state.runs.clone(), _pin: state.pin.clone() }
    }

    pub(crate) fn extend(&self, entries: impl IntoIterator<Item = Entry>) {
        self.change(|state| entries.into_iter().for_each(|entry| state.tail.push(entry)));
    }

    /// Returns the number of entries in the tail, and whether a frozen tail is still being flushed.
    pub(crate) fn waiting(&self) -> (u64, bool) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.tail.entries, state.frozen.is_some())
    }

    /// Freezes the tail, which is to become a run.
    pub(crate) fn freeze(&self) -> Arc<Buckets> {
        self.change(|state| {
            let full = std::mem::replace(&mut state.tail, Buckets::new(self.count));
            state.frozen.insert(Arc::new(full)).clone()
        })
    }

    /// Replaces the frozen tail by its run, which is durable.
    pub(crate) fn flushed(&self, run: Run) {
        self.change(|state| {
            let mut runs = state.runs.to_vec();
            runs.push(run);
            state.runs = Arc::new(runs);
            state.frozen = None;
        });
    }

    /// Replaces `sources` by the run `merged`, which is durable. Returns the pin of readers that may still
    /// read the sources.
    pub(crate) fn compacted(&self, sources: &[Run], merged: Run) -> RunsPin {
        self.change(|state| {
            state.runs = Arc::new(replace(&state.runs, sources, merged));
            std::mem::take(&mut state.pin)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Each change is complete or has not begun, so the index is consistent after a panic.
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns `runs` with `merged` in place of `sources`, which are consecutive.
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
    fn entries_are_found_while_they_move_to_disk() {
        let index = Index::new(4, vec![]);
        index.extend([entry(7, 1), entry(8, 2)]);
        index.freeze();
        index.extend([entry(7, 3), entry(7, 4)]);
        let range = |above, durable| Range { versions: 1..=9, above, durable };
        let positions = |above, durable| -> Vec<u64> {
            let lookup = index.first(7, &range(above, durable), 9);
            lookup.recent.iter().map(|entry| entry.position).collect()
        };
        assert_eq!(positions(0, 9), [1, 3, 4]);
        assert_eq!(positions(1, 3), [3], "after the snapshot, and durable");
        index.flushed(run(1, 1, 2));
        assert_eq!(positions(0, 9), [3, 4]);
        let lookup = index.last(7, &range(0, 9), 1);
        assert_eq!((lookup.recent[0], &*lookup.runs), (entry(7, 4), &vec![run(1, 1, 2)]));
    }

    #[test]
    fn a_merged_run_replaces_its_sources() {
        let (old, one, two, new) = (run(9, 1, 4), run(1, 5, 6), run(2, 7, 8), run(3, 9, 9));
        let merged = run(4, 5, 8);
        assert_eq!(replace(&[old, one, two, new], &[one, two], merged), [old, merged, new]);
    }
}
