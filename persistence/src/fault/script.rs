use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use actuarius_domain::{StreamId, Version};
use bytes::Bytes;

use super::{Counts, Failure};
use crate::test_rng::TestRng;
use crate::{Append, Batch, Conflict, ReadError};

/// Everything that is to go wrong, and how far things have got.
#[derive(Default)]
pub(super) struct Script {
    pub(super) counts: Counts,
    /// By the number of the commit.
    pub(super) failures: BTreeMap<u64, Failure>,
    pub(super) random_commits: Option<(TestRng, f64)>,
    /// Streams whose next append is refused; one entry for each append.
    pub(super) rejections: Vec<StreamId>,
    /// How many hold the commits.
    pub(super) holds: usize,
    /// Whether a commit waits for them.
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

    /// How the commit counted last is to fail.
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

    /// Counts a read, of one stream or of something else, and fails it if it is to fail.
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
