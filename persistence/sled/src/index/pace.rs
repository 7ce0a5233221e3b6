//! The pace of the upkeep of the index: how much of it each commit pays for.

use sled::Db;

use crate::engine::{Group, accounting};
use crate::keys::{self, VALUE_MAX};

/// What sled writes for the manifest and its copy at most, which follow the parts of a group.
const MANIFEST_BYTES: usize = 2 * accounting::CHANGE_MAX;

/// Returns whether the group has room for one more part at `key`, or its removal, and for the manifest.
pub(crate) fn has_room(group: &mut Group, db: &Db, key: &[u8]) -> bool {
    let part = group.cost(db, key, VALUE_MAX);
    group.has_room(part + MANIFEST_BYTES)
}

/// Returns the key at which a part of the index can be written: its own, or its spare one if the page of its
/// own is damaged. Otherwise one damaged page would stop all writes. Returns `None` if both are.
pub(crate) fn writable(group: &mut Group, db: &Db, key: [u8; 23]) -> Option<[u8; 23]> {
    [key, keys::spare(key)].into_iter().find(|key| group.is_writable(db, key))
}

/// The cost of writing or removing a part in addition to its entries, in entries.
const PART_COST: f64 = 64.0;

/// The credit of a job, which commits earn and its steps spend, in entries.
pub(crate) struct Pace {
    per_commit: f64,
    credit: f64,
}

impl Pace {
    /// Creates the pace that writes `entries` in `buckets` within `commits`.
    pub(crate) fn to_finish_within(commits: u64, entries: u64, buckets: usize) -> Self {
        let work = entries as f64 + (buckets as f64 + entries as f64 / 400.0) * PART_COST;
        Self { per_commit: work / (commits.max(1) as f64), credit: 0.0 }
    }

    pub(crate) fn earn(&mut self, commits: u64) {
        self.credit += self.per_commit * commits as f64;
    }

    pub(crate) fn has_credit(&self) -> bool {
        self.credit > 0.0
    }

    pub(crate) fn spend(&mut self, entries: usize) {
        self.credit -= PART_COST + entries as f64;
    }
}
