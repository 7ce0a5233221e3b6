//! Packing a batch: commits go into chunks, chunks into groups, and each group is synced.

use actuarius_persistence::chain::{ChainEnd, Link};
use actuarius_persistence::{Notes, StoreFailure};

use super::chunk::{self, RAW_TARGET};
use super::gate::Closed;
use super::shared::Shared;
use crate::engine::accounting::{self, WRITTEN_MAX};
use crate::engine::{Engine, Group};
use crate::index::part::Entry;
use crate::index::upkeep::Upkeep;
use crate::keys::{self, StreamHash};
use crate::notes;

/// What a group leaves to the upkeep of the index. At its pace, the upkeep needs about this much with 1,000
/// commits, while its leaves are small.
const UPKEEP_BYTES: usize = 256 * 1024;

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
    /// The streams whose snapshots the group changes.
    snapshots: Vec<StreamHash>,
    /// What sled wrote for earlier groups at most.
    synced: usize,
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
            group: Group::of_first_changes(),
            commits: 0,
            entries: vec![],
            snapshots: vec![],
            synced: 0,
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

    /// Puts the open chunk into the group.
    pub(super) fn close_chunk(&mut self) -> Result<(), StoreFailure> {
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
        self.put_parts(first, parts)?;
        self.commits += u64::from(commits);
        Ok(())
    }

    /// Puts the parts of a chunk, part 0 last. All parts become valid with part 0, even if they take several
    /// syncs. Parts that fit one sync take one.
    fn put_parts(&mut self, first: u64, parts: Vec<Vec<u8>>) -> Result<(), StoreFailure> {
        let cost = |part: &Vec<u8>| accounting::in_order(keys::chunk(first, 0).len(), part.len());
        self.make_room(parts.iter().map(cost).sum())?;
        for (number, part) in parts.into_iter().enumerate().rev() {
            let key = keys::chunk(first, number as u16);
            self.make_room(accounting::in_order(key.len(), part.len()))?;
            self.group.put_in_order(&key, part);
        }
        Ok(())
    }

    /// Puts a value whose key follows those that were put before.
    pub(super) fn put_in_order(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), StoreFailure> {
        self.make_room(accounting::in_order(key.len(), value.len()))?;
        self.group.keep_together();
        self.group.put_in_order(key, value);
        Ok(())
    }

    /// Puts a value among others.
    pub(super) fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), StoreFailure> {
        let cost = self.group.cost(self.shared.engine.db(), key, value.len());
        self.make_room(cost)?;
        self.group.keep_together();
        self.group.put(self.shared.engine.db(), key, value);
        Ok(())
    }

    /// Removes a value among others.
    pub(super) fn remove(&mut self, key: &[u8]) -> Result<(), StoreFailure> {
        let cost = self.group.cost(self.shared.engine.db(), key, 0);
        self.make_room(cost)?;
        self.group.keep_together();
        self.group.remove(self.shared.engine.db(), key);
        Ok(())
    }

    /// Removes a part of a large value, next to one that was removed before.
    pub(super) fn remove_part(&mut self, key: &[u8]) -> Result<(), StoreFailure> {
        self.make_room(accounting::removed_part(key.len()))?;
        self.group.keep_together();
        self.group.remove_part(key);
        Ok(())
    }

    /// Adds changes that are stored in one group, which makes them atomic.
    pub(super) fn together(&mut self, changes: Group) -> Result<(), StoreFailure> {
        self.make_room(changes.written())?;
        self.group.append(changes);
        Ok(())
    }

    /// Syncs the group if snapshots of this stream are in it, because they are looked up in sled.
    pub(super) fn begin_stream(&mut self, key: StreamHash) -> Result<(), StoreFailure> {
        if self.snapshots.contains(&key) {
            self.sync()?;
        }
        self.snapshots.push(key);
        Ok(())
    }

    pub(super) fn engine(&self) -> &'a Engine {
        &self.shared.engine
    }

    /// Returns what sled writes for this batch so far at most.
    pub(super) fn written(&self) -> usize {
        self.synced + self.group.written()
    }

    /// Syncs the group if changes do not fit for which sled writes `bytes`.
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
        let mut group = std::mem::replace(&mut self.group, Group::of_first_changes());
        let commits = std::mem::take(&mut self.commits);
        self.synced += group.written();
        self.snapshots.clear();
        if std::mem::take(&mut self.has_notes) && self.gate.is_none() {
            self.gate = Some(self.shared.gate.close());
        }
        self.upkeep.work(engine, index, &mut group, commits);
        engine.sync(group)?;
        self.upkeep.synced(index);
        Ok(())
    }

    /// Puts a set of notes into one group, which makes the set atomic.
    pub(crate) fn put_notes(&mut self, set: &Notes) -> Result<(), StoreFailure> {
        self.close_chunk()?;
        let (mut changes, db) = (Group::default(), self.shared.engine.db());
        for change in set {
            let key = keys::note(&change.key);
            match &change.value {
                Some(value) => changes.put(db, &key, notes::pack(&key, value)),
                None => changes.remove(db, &key),
            }
        }
        self.together(changes)?;
        self.has_notes |= set.iter().next().is_some();
        Ok(())
    }
}

const _: () = assert!(
    // The largest set of notes fits one group, with the upkeep of the index, if its leaves are small.
    5 * actuarius_persistence::NOTES_BYTES_MAX + UPKEEP_BYTES <= WRITTEN_MAX
);
