//! The state that the writer and all readers of an open store share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::StreamId;
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::files::lock::StoreLock;
use actuarius_persistence::{Commit, Lineage, Note, ReadError};
use bytes::Bytes;

use super::cache::Cache;
use super::chunk::{self, Chunk};
use super::gate::Gate;
use super::recover;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::Files;
use crate::format::Format;
use crate::index::memtable::{Index, Range, Run};
use crate::index::part::Entry;
use crate::index::runs;
use crate::keys::StreamHash;
use crate::notes;
use crate::release::Release;

/// How many chunks are cached in each of two generations: 4 MiB in all when both are full.
const CACHED_CHUNKS: usize = 256;

/// The shared state. Its first fields are dropped in this order: sled, the wait until sled has released
/// its file, the store's lock.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    _release: Release,
    lock: Option<StoreLock>,
    pub(crate) files: Files,
    pub(crate) archive: Mounted,
    pub(crate) index: Index,
    seed: u64,
    pub(crate) lineage: Lineage,
    /// Between the readers of notes and the writer.
    pub(crate) gate: Gate,
    /// The last position that readers may see. Everything up to it is durable.
    durable: AtomicU64,
    /// The same position with its link, or an earlier one.
    chain: Mutex<ChainEnd>,
    chunks: Mutex<CachedChunks>,
}

/// The chunks that were read last.
struct CachedChunks {
    chunks: Cache<u64, Arc<Chunk>>,
    /// How often chunks were rewritten. What was read before is not cached afterwards.
    rewrites: u64,
}

impl CachedChunks {
    fn new(rewrites: u64) -> Self {
        Self { chunks: Cache::new(CACHED_CHUNKS), rewrites }
    }
}

impl Shared {
    pub(crate) fn new(
        engine: Engine,
        (release, lock): (Release, Option<StoreLock>),
        (files, archive): (Files, Mounted),
        format: Format,
        index: Index,
        end: ChainEnd,
    ) -> Self {
        Self {
            engine,
            _release: release,
            lock,
            files,
            archive,
            index,
            seed: format.seed(),
            lineage: Lineage::of(format.store).with(format.ancestors),
            gate: Gate::default(),
            durable: AtomicU64::new(end.position.get()),
            chain: Mutex::new(end),
            chunks: Mutex::new(CachedChunks::new(0)),
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn chain(&self) -> ChainEnd {
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces in the lock that it will soon be released.
    pub(crate) fn announce_closing(&self) {
        if let Some(lock) = &self.lock {
            lock.announce_closing();
        }
    }

    /// Makes everything up to `end`, which is durable, visible to readers.
    pub(crate) fn publish(&self, end: ChainEnd) {
        self.durable.store(end.position.get(), Ordering::Release);
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn hash(&self, stream: &StreamId) -> StreamHash {
        StreamHash::of_stream(self.seed, stream)
    }

    /// Returns the chunk that starts at `first`, which is not after the durable end.
    pub(crate) fn chunk(&self, first: u64) -> Result<Arc<Chunk>> {
        let rewrites = {
            let mut cached = self.cached();
            if let Some(chunk) = cached.chunks.get(first) {
                return Ok(chunk);
            }
            cached.rewrites
        };
        let chunk = recover::load(&self.engine, first)?;
        let chunk = Arc::new(chunk.ok_or(EngineError::Malformed("events are missing"))?);
        // A large commit would take too much of the cache.
        let is_small = chunk.commits.len() > 1 || chunk.commits[0].bytes() <= chunk::RAW_TARGET;
        let mut cached = self.cached();
        if is_small && cached.rewrites == rewrites {
            cached.chunks.insert(first, chunk.clone());
        }
        Ok(chunk)
    }

    /// Clears the cache, because chunks were rewritten.
    pub(crate) fn forget_chunks(&self) {
        let mut cached = self.cached();
        *cached = CachedChunks::new(cached.rewrites + 1);
    }

    fn cached(&self) -> MutexGuard<'_, CachedChunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the content of a note, when the gate is open.
    pub(crate) fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let _pass = self.gate.pass()?;
        notes::one(&self.engine, key)
    }

    /// Reads a page of notes, when the gate is open.
    pub(crate) fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        let _pass = self.gate.pass()?;
        notes::list(&self.engine, prefix, after, limit)
    }

    /// Returns the commit of an index entry, or `None` if it belongs to another stream with the same
    /// hash.
    pub(crate) fn commit(
        &self,
        entry: &Entry,
        stream: &StreamId,
    ) -> Result<Option<Commit>, ReadError> {
        let damaged = |error: EngineError| error.at(entry.position, Some(stream));
        let chunk = self.chunk(entry.chunk).map_err(damaged)?;
        let Some(commit) = chunk.commit_at(entry.position) else {
            return Err(damaged(EngineError::Malformed(
                "a commit is missing at the position in the index",
            )));
        };
        Ok(commit.view().belongs_to(stream).then(|| commit.clone()))
    }

    /// Returns the newest commit of `stream` that starts at or before the version `to` and after the
    /// position `above`.
    pub(crate) fn newest(
        &self,
        stream: &StreamId,
        to: u64,
        above: u64,
    ) -> Result<Option<Commit>, ReadError> {
        let hash = self.hash(stream).index();
        let range = Range { versions: 0..=to, above, durable: self.durable() };
        // The first entry is of this stream unless hashes collide. Then any number of others may precede.
        let mut found = self.index.last(hash, &range, 1);
        let mut recent = self.first_of(stream, &found.recent)?;
        if recent.is_none() && !found.recent.is_empty() {
            found = self.index.last(hash, &range, usize::MAX);
            recent = self.first_of(stream, &found.recent)?;
        }
        if recent.is_some() {
            return Ok(recent);
        }
        for run in found.runs.iter().rev().take_while(|run| run.last > above) {
            let commit = self.newest_in(run, stream, (hash, to), above)?;
            if commit.is_some() {
                return Ok(commit);
            }
        }
        Ok(None)
    }

    fn newest_in(
        &self,
        run: &Run,
        stream: &StreamId,
        (hash, mut to): (u64, u64),
        above: u64,
    ) -> Result<Option<Commit>, ReadError> {
        loop {
            let sources = (&self.engine, self.index.buckets());
            let entries = runs::before(sources, run, (hash, to));
            let mut entries = entries.map_err(|error| error.at(run.first, Some(stream)))?;
            let Some(earliest) = entries.first().map(|entry| entry.version) else {
                return Ok(None);
            };
            entries.retain(|entry| entry.position > above);
            entries.reverse();
            let commit = self.first_of(stream, &entries)?;
            if commit.is_some() || entries.is_empty() {
                return Ok(commit);
            }
            // All these entries belong to another stream with the same hash.
            to = earliest.saturating_sub(1);
        }
    }

    /// Returns the first commit of `stream` among these entries.
    fn first_of(&self, stream: &StreamId, entries: &[Entry]) -> Result<Option<Commit>, ReadError> {
        let mut commits = entries.iter().map(|entry| self.commit(entry, stream));
        commits.find_map(Result::transpose).transpose()
    }
}
