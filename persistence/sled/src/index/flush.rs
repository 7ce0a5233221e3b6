//! Flushing the frozen tail: writes it to disk as a run, a few buckets with each group.

use std::sync::Arc;

use sled::Db;

use super::memtable::{Buckets, Run};
use super::pace::{self, Pace};
use super::part::{Entry, Packer, Place, START};
use crate::engine::Group;
use crate::keys;

/// A flush of a frozen tail.
pub(crate) struct Flush {
    frozen: Arc<Buckets>,
    run: Run,
    bucket: usize,
    /// The rest of the bucket, sorted, and where its next part begins.
    entries: std::vec::IntoIter<Entry>,
    from: Place,
    pace: Pace,
}

impl Flush {
    /// Begins a flush that takes half as many commits as the run has entries. So it ends before the tail
    /// is full again, with a margin for groups without room.
    pub(crate) fn new(frozen: Arc<Buckets>, run: Run) -> Self {
        let pace = Pace::to_finish_within(run.entries / 2, run.entries, frozen.buckets.len());
        let entries = sorted(&frozen.buckets[0]);
        Self { frozen, run, bucket: 0, entries, from: START, pace }
    }

    /// Puts as many parts into the group as `commits` more commits pay for. Returns the run when its last
    /// part is in the group.
    pub(crate) fn advance(&mut self, db: &Db, group: &mut Group, commits: u64) -> Option<Run> {
        self.pace.earn(commits);
        while self.pace.has_credit() && pace::has_room(group, db, &self.key()) {
            if self.put_part(db, group) {
                return Some(self.run);
            }
        }
        None
    }

    /// Returns the key of the next part.
    fn key(&self) -> [u8; 23] {
        keys::index_part(self.bucket as u16, self.run.number, self.from.0, self.from.1)
    }

    /// Puts one part into the group. Returns whether it was the last.
    fn put_part(&mut self, db: &Db, group: &mut Group) -> bool {
        let mut packer = Packer::default();
        while self.entries.as_slice().first().is_some_and(|entry| packer.push(entry)) {
            self.entries.next();
        }
        let key = pace::writable(group, db, self.key());
        let next = self.entries.as_slice().first().map(Entry::place);
        self.pace.spend(packer.count);
        match key {
            Some(key) => group.put(db, &key, packer.finish(&key, next)),
            // Reads of its streams report that it is missing.
            None => report_unwritten(),
        }
        self.from = next.unwrap_or(START);
        if next.is_none() {
            self.bucket += 1;
            self.entries =
                self.frozen.buckets.get(self.bucket).map(|b| sorted(b)).unwrap_or_default();
        }
        self.bucket == self.frozen.buckets.len()
    }
}

fn report_unwritten() {
    tracing::error!(
        target: "actuarius::store",
        "a part of the index cannot be written, because two pages are damaged; compact the store"
    );
}

fn sorted(bucket: &[Entry]) -> std::vec::IntoIter<Entry> {
    let mut entries = bucket.to_vec();
    entries.sort_unstable();
    entries.into_iter()
}
