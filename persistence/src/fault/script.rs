//! The script of a failing store: which commits and reads fail.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use actuarius_domain::{StreamId, Version};
use bytes::Bytes;

use crate::error::{Conflict, ReadError};
use crate::record::Append;
use crate::store::Batch;
use crate::test_rng::TestRng;

/// How much of a failing batch reaches the wrapped store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing, as if the write failed.
    Unwritten,
    /// The first half of the commits and sets of notes, rounded down and each complete, as after a power
    /// cut while writing.
    HalfWritten,
    /// All of it, as if the sync failed, or the power was cut before the acknowledgement.
    Unacknowledged,
}

/// The number of calls of a store so far, including failed ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of [`Writer::commit`](crate::Writer::commit).
    pub commits: u64,
    /// Appends in them.
    pub appends: u64,
    /// Snapshots in them.
    pub snapshots: u64,
    /// Sets of notes in them.
    pub notes: u64,
    /// Calls of the [`Reader`](crate::Reader) that can fail, except for
    /// [`info`](crate::Reader::info).
    pub reads: u64,
}

/// The scripted faults, and the calls so far.
#[derive(Default)]
pub(super) struct Script {
    pub(super) counts: Counts,
    /// By the number of the commit.
    pub(super) failures: BTreeMap<u64, Failure>,
    pub(super) random_commits: Option<(TestRng, f64)>,
    /// Streams whose next append is refused; one entry for each append.
    pub(super) rejections: Vec<StreamId>,
    /// Whether closing the writer fails.
    pub(super) close_fails: bool,
    /// The number of holds on commits.
    pub(super) holds: usize,
    /// Whether a commit is being held.
    pub(super) held: bool,
    /// By the number of the read.
    pub(super) failing_reads: BTreeSet<u64>,
    pub(super) random_reads: Option<(TestRng, f64)>,
    pub(super) unreadable: HashSet<StreamId>,
    pub(super) damaged: HashSet<StreamId>,
    pub(super) damaged_snapshots: HashSet<(StreamId, Version)>,
    pub(super) damaged_notes: HashSet<Bytes>,
}

impl Script {
    pub(super) fn count_commit(&mut self, batch: &Batch) {
        self.counts.commits += 1;
        self.counts.appends += batch.appends.len() as u64;
        self.counts.snapshots += batch.snapshots.len() as u64;
        self.counts.notes += batch.notes.len() as u64;
    }

    /// Returns how the last counted commit fails, or `None` if it does not.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        let scripted = self.failures.remove(&self.counts.commits);
        scripted.or_else(|| {
            let (rng, rate) = self.random_commits.as_mut()?;
            rng.chance(*rate).then(|| match rng.below(3) {
                0 => Failure::Unwritten,
                1 => Failure::HalfWritten,
                _ => Failure::Unacknowledged,
            })
        })
    }

    pub(super) fn rejection(&mut self, append: &Append) -> Option<Conflict> {
        let place = self.rejections.iter().position(|stream| stream == append.stream())?;
        let (stream, expected) = (self.rejections.remove(place), append.expected());
        Some(Conflict { stream, expected, actual: expected.next() })
    }

    /// Counts a read, of one stream or of anything else, and fails it if scripted.
    pub(super) fn count_read(&mut self, stream: Option<&StreamId>) -> Result<(), ReadError> {
        self.counts.reads += 1;
        let scripted = self.failing_reads.remove(&self.counts.reads);
        let chance = |(rng, rate): &mut (TestRng, f64)| rng.chance(*rate);
        let random = self.random_reads.as_mut().is_some_and(chance);
        let unreadable = stream.is_some_and(|stream| self.unreadable.contains(stream));
        if scripted || random || unreadable {
            return Err(io::Error::other("a scripted failure").into());
        }
        Ok(())
    }
}
