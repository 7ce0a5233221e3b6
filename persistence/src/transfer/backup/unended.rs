//! Aggregates that a restored store has neither the events nor the end of.

use std::collections::HashSet;

use actuarius_domain::StreamId;

/// How many aggregates are named: enough to see which they are, few enough for a report.
const NAMED_MAX: usize = 100;

/// The aggregates whose events were deleted, and whose end is after the restored point. Nothing is known of their state, so
/// a runtime quarantines them. Delete them there, or with the tool; then their ids can be used again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unended {
    /// How many there are.
    pub streams: u64,
    /// The first 100 of them, in the order of their first events.
    pub first: Vec<StreamId>,
}

/// Collects them while a log is loaded, each once.
#[derive(Default)]
pub(super) struct Collecting {
    known: HashSet<StreamId>,
    first: Vec<StreamId>,
}

impl Collecting {
    pub(super) fn add(&mut self, stream: &StreamId) {
        if self.known.insert(stream.clone()) && self.first.len() < NAMED_MAX {
            self.first.push(stream.clone());
        }
    }

    pub(super) fn finish(self) -> Unended {
        Unended { streams: self.known.len() as u64, first: self.first }
    }
}
