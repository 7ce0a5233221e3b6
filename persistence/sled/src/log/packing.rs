//! Packing a batch: commits go into chunks, chunks into groups, and each group is synced.

use actuarius_persistence::chain::{ChainEnd, Link};
use actuarius_persistence::{NewSnapshot, Notes, StoreFailure};

use super::chunk::{self, RAW_TARGET};
use super::gate::Closed;
use super::shared::Shared;
use crate::engine::{Group, KEY_OVERHEAD, SYNC_BYTES_MAX};
use crate::error::engine_io;
use crate::index::part::Entry;
use crate::index::upkeep::Upkeep;
use crate::keys::{self, StreamHash};
use crate::notes;
use crate::snapshots::{self, Surplus};

/// The bytes of a group that chunks leave to the upkeep of the index. At its pace, the upkeep needs about
/// this much with 1,000 commits.
const UPKEEP_BYTES: usize = 48 * 1024;

/// Packs one batch and syncs its groups.
pub(crate) struct BatchPacker<'a> {
    shared: &'a Shared,
    upkeep: &'a mut Upkeep,
    /// The position of the next event.
    next: u64,
    /// The link of all commits so far.
    link: Link,
    chunk: OpenChunk,
    group: Group,
    /// The number of commits in the group.
    commits: u64,
    /// The index entries of all groups.
    entries: Vec<Entry>,
    /// The streams with a snapshot in the group.
    snapshots: Vec<StreamHash>,
    /// Whether the group changes notes.
    has_notes: bool,
    /// Closed since the first group that changes notes.
    gate: Option<Closed<'a>>,
}

/// A batch that is durable and not yet visible.
pub(crate) struct Packed<'a> {
    /// The position of the last event.
    pub(crate) head: u64,
    /// The link of all commits.
    pub(crate) link: Link,
    /// The index entries of all commits.
    pub(crate) entries: Vec<Entry>,
    /// The writer opens it when the events are visible.
    pub(crate) gate: Option<Closed<'a>>,
}

/// The chunk being filled.
struct OpenChunk {
    first: u64,
    before: Link,
    frames: Vec<u8>,
    commits: u32,
    events: u32,
}

impl<'a> BatchPacker<'a> {
    /// Begins a batch after the end of the log.
    pub(crate) fn new(shared: &'a Shared, upkeep: &'a mut Upkeep, end: ChainEnd) -> Self {
        let (next, link) = (end.position.get() + 1, end.link);
        Self {
            shared,
            upkeep,
            next,
            link,
            chunk: OpenChunk { first: next, before: link, frames: vec![], commits: 0, events: 0 },
            group: Group::default(),
            commits: 0,
            entries: vec![],
            snapshots: vec![],
            has_notes: false,
            gate: None,
        }
    }

    /// Returns the position of the next event.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    pub(crate) fn put_commit(
        &mut self,
        hash: u64,
        version: u64,
        (frame, events, link): (&[u8], u32, Link),
    ) -> Result<(), StoreFailure> {
        let filled = self.chunk.frames.len();
        if filled > 0 && filled + frame.len() > RAW_TARGET {
            self.close_chunk()?;
        }
        let (position, chunk) = (self.next, self.chunk.first);
        self.entries.push(Entry { hash, version, position, chunk });
        self.chunk.frames.extend_from_slice(frame);
        self.chunk.commits += 1;
        self.chunk.events += events;
        self.next += u64::from(events);
        self.link = self.link.then(&link);
        Ok(())
    }

    /// Syncs the rest of the batch. The whole batch is durable when this returns.
    pub(crate) fn finish(mut self) -> Result<Packed<'a>, StoreFailure> {
        self.close_chunk()?;
        self.sync()?;
        let (head, link) = (self.next - 1, self.link);
        Ok(Packed { head, link, entries: self.entries, gate: self.gate })
    }

    fn close_chunk(&mut self) -> Result<(), StoreFailure> {
        let OpenChunk { first, before, frames, commits, events } = &mut self.chunk;
        if frames.is_empty() {
            return Ok(());
        }
        let (first, before, commits, events) = (*first, *before, *commits, *events);
        let parts =
            chunk::pack(&chunk::Packed { first, before: Some(before), frames, commits, events });
        frames.clear();
        let frames = std::mem::take(frames);
        self.chunk =
            OpenChunk { first: self.next, before: self.link, frames, commits: 0, events: 0 };
        self.put_parts(|part| keys::chunk(first, part), parts)?;
        self.commits += u64::from(commits);
        Ok(())
    }

    /// Puts the parts of a chunk or a snapshot, part 0 last. All parts become valid with part 0, even if
    /// they take several syncs. Parts that fit one sync take one.
    fn put_parts<const N: usize>(
        &mut self,
        key: impl Fn(u16) -> [u8; N],
        parts: Vec<Vec<u8>>,
    ) -> Result<(), StoreFailure> {
        self.make_room(parts.iter().map(|part| part.len() + 2 * N).sum())?;
        for (number, part) in parts.into_iter().enumerate().rev() {
            self.make_room(part.len() + 2 * N)?;
            self.group.put(&key(number as u16), part);
        }
        Ok(())
    }

    /// Replaces `old` parts by new ones in one group, so that the value is never incomplete.
    pub(crate) fn replace<const N: usize>(
        &mut self,
        key: impl Fn(u16) -> [u8; N],
        old: u16,
        parts: Vec<Vec<u8>>,
        charge: usize,
    ) -> Result<(), StoreFailure> {
        let removed = usize::from(old) * (N + KEY_OVERHEAD);
        let new: usize = parts.iter().map(|part| part.len() + N + KEY_OVERHEAD).sum();
        self.make_room(new + removed + charge)?;
        self.group.charge(charge);
        (parts.len() as u16..old).for_each(|part| self.group.remove(&key(part)));
        for (number, part) in parts.into_iter().enumerate().rev() {
            self.group.put(&key(number as u16), part);
        }
        Ok(())
    }

    /// Syncs the group if `bytes` more do not fit.
    fn make_room(&mut self, bytes: usize) -> Result<(), StoreFailure> {
        if self.group.is_empty() || self.group.has_room(bytes + UPKEEP_BYTES) {
            return Ok(());
        }
        self.sync()
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        if self.group.is_empty() {
            return Ok(());
        }
        let (engine, index) = (&self.shared.engine, &self.shared.index);
        let mut group = std::mem::take(&mut self.group);
        let commits = std::mem::take(&mut self.commits);
        self.snapshots.clear();
        if std::mem::take(&mut self.has_notes) && self.gate.is_none() {
            self.gate = Some(self.shared.gate.close());
        }
        self.upkeep.work(engine, index, &mut group, commits)?;
        engine.sync(group)?;
        self.upkeep.synced(index);
        Ok(())
    }

    /// Puts a set of notes into one group, which makes the set atomic.
    pub(crate) fn put_notes(&mut self, set: &Notes) -> Result<(), StoreFailure> {
        self.close_chunk()?;
        self.make_room(set.bytes())?;
        for change in set {
            let key = keys::note(&change.key);
            match &change.value {
                Some(value) => self.group.put(&key, notes::pack(&key, value)),
                None => self.group.remove(&key),
            }
            self.group.charge(notes::SCATTER_BYTES);
            self.has_notes = true;
        }
        Ok(())
    }

    /// Removes all snapshots of a stream, part 0 of each first, so that no reader sees an incomplete one.
    pub(crate) fn drop_snapshots(&mut self, key: StreamHash) -> Result<(), StoreFailure> {
        let found = snapshots::surplus(&self.shared.engine, key, u64::MAX, (1, None))
            .map_err(|error| StoreFailure::new("looking up snapshots", engine_io(error)))?;
        for (version, last) in found.older {
            self.remove_snapshot(key, version, last)?;
        }
        self.snapshots.push(key);
        Ok(())
    }

    fn remove_snapshot(
        &mut self,
        key: StreamHash,
        version: u64,
        last: u16,
    ) -> Result<(), StoreFailure> {
        for part in 0..=last {
            self.make_room(64)?;
            self.group.remove(&keys::snapshot(key, version, part));
        }
        Ok(())
    }

    pub(crate) fn put_snapshot(
        &mut self,
        key: StreamHash,
        new: &NewSnapshot,
    ) -> Result<(), StoreFailure> {
        self.close_chunk()?;
        if new.payload.len() > snapshots::PAYLOAD_MAX {
            tracing::warn!(
                target: "actuarius::store",
                stream = %new.stream,
                "a snapshot is too large to store"
            );
            return Ok(());
        }
        if self.snapshots.contains(&key) {
            self.sync()?;
        }
        let (engine, version) = (&self.shared.engine, new.version.get());
        let surplus = snapshots::surplus(engine, key, version, (new.keep, new.keep_since))
            .map_err(|error| StoreFailure::new("looking up snapshots", engine_io(error)))?;
        if surplus.is_superfluous {
            return Ok(());
        }
        self.replace_snapshot(key, version, snapshots::pack(new), &surplus)?;
        self.snapshots.push(key);
        Ok(())
    }

    /// Removes a snapshot at the same version before the new one's parts are put, unless all of them are
    /// in one group. Removes older snapshots with or after part 0, so that there is always one.
    fn replace_snapshot(
        &mut self,
        key: StreamHash,
        version: u64,
        parts: Vec<Vec<u8>>,
        surplus: &Surplus,
    ) -> Result<(), StoreFailure> {
        if let Some(last) = surplus.replaced {
            (0..=last).for_each(|part| self.group.remove(&keys::snapshot(key, version, part)));
            if parts.len() > 1 {
                self.sync()?;
            }
        }
        self.put_parts(|part| keys::snapshot(key, version, part), parts)?;
        let mut older = surplus.older.iter();
        older.try_for_each(|&(version, last)| self.remove_snapshot(key, version, last))
    }
}

const _: () = assert!(
    // The largest set of notes fits one group, with the upkeep of the index.
    actuarius_persistence::NOTES_BYTES_MAX + UPKEEP_BYTES <= SYNC_BYTES_MAX
);
