//! The pace of the work on the index.

use crate::keys::VALUE_MAX;

/// The room a group must have for one more part and the list of runs.
pub(crate) const STEP_BYTES: usize = 2 * VALUE_MAX;

/// What writing or removing a part costs, beside its entries, in entries.
const PART_COST: f64 = 64.0;

/// How much of a job has been paid for by commits, in entries.
pub(crate) struct Pace {
    per_commit: f64,
    credit: f64,
}

impl Pace {
    /// A pace that has written `entries` in `buckets` after at most `commits`.
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
