//! The model store: correct and simple, in memory, and lost with the process.
//!
//! Other stores are compared with it, and tests that do not need durability run on it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::Store;
use super::reader::{Maintenance, Page, PageLimit, Reader, StoreInfo};
use super::verify::{Verified, Verify};
use super::verify_log::verify_log;
use super::writer::{AppendOutcome, Batch, Writer};
use crate::error::{Conflict, ReadError, StoreFailure};
use crate::record::chain::{ChainEnd, Link};
use crate::record::note::{Note, NoteChange};
use crate::record::snapshot::{NewSnapshot, Snapshot};
use crate::record::{Append, Commit, Removal, stub_frame};

/// Creates an empty store in memory.
#[must_use]
pub fn open() -> Store {
    reopen(&Arc::default())
}

/// Opens a store on contents that outlive it, for tests that restart a runtime.
#[must_use]
pub fn reopen(contents: &Arc<Contents>) -> Store {
    Store {
        writer: Box::new(MemoryWriter(contents.clone())),
        reader: Arc::new(MemoryReader(contents.clone())),
    }
}

/// The contents of a store in memory.
pub struct Contents {
    log: RwLock<Log>,
    identity: Uuid,
}

#[derive(Default)]
struct Log {
    commits: Vec<Commit>,
    head: Position,
    link: Link,
    /// For each stream, the indexes of its commits in `commits`.
    streams: HashMap<StreamId, Vec<usize>>,
    /// For each stream, its snapshots, oldest first.
    snapshots: HashMap<StreamId, Vec<Snapshot>>,
    notes: BTreeMap<Bytes, Bytes>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { log: RwLock::default(), identity: Uuid::new_v4() }
    }
}

impl Contents {
    fn read(&self) -> RwLockReadGuard<'_, Log> {
        // A panic while writing leaves complete commits only, so a poisoned lock is still valid.
        self.log.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

struct MemoryWriter(Arc<Contents>);

impl Writer for MemoryWriter {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let mut log = self.0.log.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        batch.removals.iter().for_each(|removal| log.remove(removal));
        let outcomes = batch.appends.iter().map(|append| log.append(append)).collect();
        batch.snapshots_dropped.iter().for_each(|stream| drop(log.snapshots.remove(stream)));
        for snapshot in &batch.snapshots {
            log.keep(snapshot);
        }
        batch.notes.iter().flatten().for_each(|change| log.note(change));
        Ok(outcomes)
    }

    fn batch_bytes(&self) -> usize {
        // The same as in the sled store, so that groups have the same sizes in tests.
        256 * 1024
    }
}

impl Log {
    fn append(&mut self, append: &Append) -> AppendOutcome {
        let stream = append.stream();
        let actual = self.version(stream);
        if actual != append.expected() {
            let (stream, expected) = (stream.clone(), append.expected());
            return Err(Conflict { stream, expected, actual }.into());
        }
        let first = self.head.next();
        for (frame, events, hash) in append.hashed_frames() {
            self.link = self.link.then(&hash);
            let (commit, _) = Commit::take(&Bytes::copy_from_slice(frame), self.head.next())
                .expect("an append frames its own commits");
            self.streams.entry(stream.clone()).or_default().push(self.commits.len());
            self.commits.push(commit);
            self.head = self.head.plus(u64::from(events));
        }
        Ok(first)
    }

    fn remove(&mut self, removal: &Removal) {
        let position = Position::new(removal.position);
        let found = self.commits.binary_search_by_key(&position, Commit::position);
        let Some(commit) = found.ok().map(|place| &mut self.commits[place]) else { return };
        if removal.concerns(commit) {
            let stub = stub_frame(commit, removal.gone);
            *commit = Commit::from_frame(&stub, position).expect("a stub is a valid frame");
        }
    }

    fn version(&self, stream: &StreamId) -> Version {
        let last = self.streams.get(stream).and_then(|places| places.last());
        last.map_or(Version::NONE, |&place| self.commits[place].view().last_version())
    }

    fn keep(&mut self, new: &NewSnapshot) {
        let kept = self.snapshots.entry(new.stream.clone()).or_default();
        kept.retain(|old| old.version != new.version);
        let place = kept.partition_point(|old| old.version < new.version);
        kept.insert(place, Snapshot::from(new));
        let is_too_old = |old: &Snapshot| new.keep_since.is_some_and(|since| old.time < since);
        kept.retain(|old| old.version >= new.version || !is_too_old(old));
        let surplus = kept.len().saturating_sub(new.keep.max(1) as usize);
        kept.drain(..surplus);
    }

    fn note(&mut self, change: &NoteChange) {
        match &change.value {
            Some(value) => drop(self.notes.insert(change.key.clone(), value.clone())),
            None => drop(self.notes.remove(&change.key)),
        }
    }
}

struct MemoryReader(Arc<Contents>);

impl Reader for MemoryReader {
    fn head(&self) -> Position {
        self.0.read().head
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        Ok(self.0.read().version(stream))
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        _as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let log = self.0.read();
        let places = log.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let start = places.partition_point(|&at| log.commits[at].view().last_version() <= after);
        Ok(fill(places[start..].iter().map(|&at| &log.commits[at]), limit))
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let log = self.0.read();
        let start = log.commits.partition_point(|commit| commit.view().last_position() <= after);
        Ok(fill(log.commits[start..].iter(), limit))
    }

    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        let log = self.0.read();
        let kept = log.snapshots.get(stream).map(Vec::as_slice).unwrap_or_default();
        let older = |snapshot: &&Snapshot| before.is_none_or(|version| snapshot.version < version);
        Ok(kept.iter().rev().find(older).cloned())
    }

    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.read().notes.get(key).cloned())
    }

    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        let log = self.0.read();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let following = log.notes.range::<[u8], _>((start, Bound::Unbounded));
        let wanted = following.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        let note = |(key, value): (&Bytes, &Bytes)| Note { key: key.clone(), value: value.clone() };
        Ok(wanted.map(note).collect())
    }

    fn identity(&self) -> Uuid {
        self.0.identity
    }

    fn info(&self) -> Result<StoreInfo, ReadError> {
        Ok(StoreInfo::new("memory", 0, self.head().get()))
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }
}

impl Maintenance for MemoryReader {
    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        verify_log(self, what)
    }

    fn chain(&self) -> Result<ChainEnd, ReadError> {
        let log = self.0.read();
        Ok(ChainEnd { position: log.head, link: log.link })
    }
}

fn fill<'a>(commits: impl Iterator<Item = &'a Commit>, limit: PageLimit) -> Page {
    let mut page = Page::default();
    let mut bytes = 0;
    for commit in commits {
        if !page.commits.is_empty() && (page.commits.len() >= limit.commits || bytes >= limit.bytes)
        {
            page.more = true;
            break;
        }
        bytes += commit.bytes();
        page.commits.push(commit.clone());
    }
    page
}
