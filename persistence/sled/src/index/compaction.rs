//! Compaction: merges consecutive runs into one of the next level, a few parts with each group.
//!
//! Without it, a read of a stream would search one more run for every 65,536 commits.

use std::collections::VecDeque;

use super::memtable::Run;
use super::pace::{self, Pace};
use super::part::{Entry, Packer, Place, START};
use super::runs;
use crate::engine::{Engine, Group};
use crate::error::{EngineError, Result};
use crate::keys;

/// A compaction of consecutive runs into one.
pub(crate) struct Compaction {
    pub(crate) sources: Vec<Run>,
    pub(crate) run: Run,
    buckets: u16,
    bucket: u16,
    /// Where the next part begins.
    from: Place,
    /// Entries read from the sources, sorted: all of the bucket from `from` up to `read_to`.
    pending: VecDeque<Entry>,
    /// Where to continue reading, or `None` if the whole bucket was read.
    read_to: Option<Place>,
    written: u64,
    pace: Pace,
}

impl Compaction {
    /// Begins a compaction that takes half as many commits as the new run has entries. So it ends long
    /// before the next eight runs of its level exist.
    pub(crate) fn new(sources: Vec<Run>, number: u32, buckets: u16) -> Self {
        let entries = sources.iter().map(|run| run.entries).sum();
        let run = Run {
            number,
            level: sources.iter().map(|run| run.level).max().unwrap_or(0) + 1,
            first: sources.first().map_or(0, |run| run.first),
            last: sources.last().map_or(0, |run| run.last),
            entries,
        };
        let pace = Pace::to_finish_within(entries / 2, entries, usize::from(buckets));
        let pending = VecDeque::new();
        let (from, read_to) = (START, Some(START));
        Self { sources, run, buckets, bucket: 0, from, pending, read_to, written: 0, pace }
    }

    /// Puts as many parts into the group as `commits` more commits pay for. Returns whether the last part
    /// of the run is in the group.
    pub(crate) fn advance(
        &mut self,
        engine: &Engine,
        group: &mut Group,
        commits: u64,
    ) -> Result<bool> {
        self.pace.earn(commits);
        while self.pace.has_credit() && pace::has_room(group, engine.db(), &self.key()) {
            self.put_part(engine, group)?;
            if self.bucket == self.buckets {
                return self.check().map(|()| true);
            }
        }
        Ok(false)
    }

    /// Returns the key of the next part.
    fn key(&self) -> [u8; 23] {
        keys::index_part(self.bucket, self.run.number, self.from.0, self.from.1)
    }

    fn put_part(&mut self, engine: &Engine, group: &mut Group) -> Result<()> {
        let mut packer = Packer::default();
        let next = loop {
            match self.first(engine)? {
                Some(entry) if packer.push(&entry) => self.pending.pop_front(),
                full_or_done => break full_or_done.map(|entry| entry.place()),
            };
        };
        let key = pace::writable(group, engine.db(), self.key());
        let key = key.ok_or(EngineError::Malformed("a part of the index cannot be written"))?;
        self.pace.spend(packer.count);
        self.written += packer.count as u64;
        group.put(engine.db(), &key, packer.finish(&key, next));
        self.from = next.unwrap_or(START);
        if next.is_none() {
            self.bucket += 1;
            self.read_to = Some(START);
        }
        Ok(())
    }

    /// Returns the first entry that is not yet written.
    fn first(&mut self, engine: &Engine) -> Result<Option<Entry>> {
        while self.pending.is_empty()
            && let Some(from) = self.read_to
        {
            self.read_parts(engine, from)?;
        }
        Ok(self.pending.front().copied())
    }

    /// Reads one part of each source, and keeps the entries before the first place that a later part of
    /// any source covers.
    fn read_parts(&mut self, engine: &Engine, from: Place) -> Result<()> {
        let mut entries = Vec::new();
        let mut end: Option<Place> = None;
        for source in &self.sources {
            let next = runs::part_at(engine, self.bucket, source.number, from, |part| {
                part.from(from, &mut entries)?;
                Ok(part.next)
            })?;
            end = end.into_iter().chain(next).min();
        }
        entries.retain(|entry| end.is_none_or(|end| entry.place() < end));
        entries.sort_unstable();
        self.pending = entries.into();
        self.read_to = end;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.written == self.run.entries {
            return Ok(());
        }
        Err(EngineError::Malformed(
            "the runs of the index have fewer or more entries than they should",
        ))
    }
}
