//! The only writer: checks versions, packs commits, syncs groups, and only then makes them visible.

use std::io;
use std::sync::Arc;

use actuarius_domain::{Position, Version};
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::{
    Append, AppendOutcome, Batch, Conflict, ReadError, StoreFailure, Writer,
};

use super::backlog::Backlog;
use super::cache::Cache;
use super::packing::BatchPacker;
use super::shared::Shared;
use super::{keeping, removing};
use crate::engine::Group;
use crate::error::catch_panic;
use crate::high_water_mark::HighWaterMark;
use crate::index::manifest::Manifest;
use crate::index::upkeep::Upkeep;
use crate::keys::StreamHash;
use crate::leftovers;
use crate::notes;
use crate::options::SledOptions;

/// How many streams' versions are cached in each of two generations: about 50 MB when both are full.
const CACHED_VERSIONS: usize = 512 * 1024;

/// How much of its backlog the writer carries out with each batch, in bytes that sled writes: a fraction of
/// what it writes for a full batch, so that a batch takes a fraction of a millisecond longer.
const PIECE_BYTES: usize = 320 * 1024;

/// Writes to an open store.
pub(crate) struct SledWriter {
    shared: Arc<Shared>,
    high_water_mark: HighWaterMark,
    upkeep: Upkeep,
    /// The versions of recently used streams.
    versions: Cache<StreamHash, u64>,
    /// Large snapshots and parts that are stored and removed in pieces.
    backlog: Backlog,
    /// The end of the log.
    end: ChainEnd,
    /// The first failure. Nothing is written or synced after it, because the content of the disk is
    /// unknown.
    failure: Option<StoreFailure>,
}

impl SledWriter {
    /// Creates the writer. Everything found in the log is visible to readers, so it is acknowledged now.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut high_water_mark: HighWaterMark,
        manifest: Manifest,
        options: &SledOptions,
    ) -> Result<Self, StoreFailure> {
        let end = shared.chain();
        high_water_mark.raise(end.position.get())?;
        high_water_mark.sync()?;
        let upkeep = Upkeep::new(manifest, options.index_run_commits, shared.index.buckets());
        let versions = Cache::new(CACHED_VERSIONS);
        let backlog = Backlog::of(leftovers::found(&shared.engine));
        Ok(Self { shared, high_water_mark, upkeep, versions, backlog, end, failure: None })
    }

    fn store(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        // Syncs the marks of earlier groups, whose callers have been notified by now.
        self.high_water_mark.begin_sync_if_due();
        notes::check_writable(&self.shared.engine, &batch.notes)?;
        self.prepare_index()?;
        let shared = self.shared.clone();
        let mut packer = BatchPacker::new(&shared, &mut self.upkeep, self.end);
        removing::remove(&mut packer, &mut self.backlog, &batch.removals)?;
        // First: the shape of an event type is durable before its first event, also if the batch takes several syncs.
        for notes in &batch.notes {
            packer.put_notes(notes)?;
        }
        let mut outcomes = Vec::with_capacity(batch.appends.len());
        for append in &batch.appends {
            outcomes.push(accept(&shared, &mut self.versions, &mut packer, append)?);
        }
        packer.close_chunk()?;
        for stream in &batch.snapshots_dropped {
            keeping::drop_all(&mut packer, &mut self.backlog, shared.hash(stream))?;
        }
        for snapshot in &batch.snapshots {
            let key = shared.hash(&snapshot.stream);
            keeping::keep(&mut packer, &mut self.backlog, key, snapshot)?;
        }
        keeping::work(&mut packer, &mut self.backlog, PIECE_BYTES)?;
        while self.backlog.is_full() {
            keeping::work(&mut packer, &mut self.backlog, PIECE_BYTES)?;
        }
        let packed = packer.finish()?;
        if !batch.removals.is_empty() {
            shared.forget_chunks();
        }
        self.high_water_mark.raise(packed.head)?;
        shared.index.extend(packed.entries);
        self.end = ChainEnd { position: Position::new(packed.head), link: packed.link };
        shared.publish(self.end);
        if let Some(gate) = packed.gate {
            gate.open();
        }
        Ok(outcomes)
    }

    /// Freezes a full tail. If all groups were so full that the previous tail is not flushed yet, flushes
    /// it now.
    fn prepare_index(&mut self) -> Result<(), StoreFailure> {
        let shared = &self.shared;
        while self.upkeep.is_behind(&shared.index) {
            let mut group = Group::default();
            self.upkeep.catch_up(&shared.engine, &shared.index, &mut group);
            shared.engine.sync(group)?;
            self.upkeep.synced(&shared.index);
        }
        self.upkeep.freeze_if_full(&shared.index, self.end.position.get());
        Ok(())
    }
}

impl Writer for SledWriter {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let stored = catch_panic(|| self.store(batch));
        let stored = stored.unwrap_or_else(|message| {
            Err(StoreFailure::new("storing a batch panicked", io::Error::other(message)))
        });
        stored.inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    fn advance(&mut self) -> Result<bool, StoreFailure> {
        if !self.backlog.is_empty() {
            self.commit(&Batch::default())?;
        }
        Ok(!self.backlog.is_empty())
    }

    fn waiting_bytes(&self) -> usize {
        self.backlog.bytes()
    }

    fn settle(&mut self) -> Result<(), StoreFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        while self.advance()? {}
        self.high_water_mark.sync().inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreFailure> {
        self.settle()?;
        let synced = catch_panic(|| self.shared.engine.make_durable());
        synced.unwrap_or_else(|message| {
            Err(StoreFailure::new("closing the store panicked", io::Error::other(message)))
        })
    }

    fn batch_bytes(&self) -> usize {
        // Compressed, this fits one sync with the upkeep of the index. Otherwise it takes two.
        256 * 1024
    }
}

/// Packs the append, if the stream is at the version it expects.
fn accept(
    shared: &Shared,
    versions: &mut Cache<StreamHash, u64>,
    packer: &mut BatchPacker<'_>,
    append: &Append,
) -> Result<AppendOutcome, StoreFailure> {
    let hash = shared.hash(append.stream());
    let version = match versions.get_or_insert_with(hash, || stored_version(shared, append)) {
        Ok(version) => version,
        Err(error) => return refuse(append, error),
    };
    let actual = Version::new(*version);
    if actual != append.expected() {
        let (stream, expected) = (append.stream().clone(), append.expected());
        return Ok(Err(Conflict { stream, expected, actual }.into()));
    }
    let first = packer.position();
    for commit in append.hashed_frames() {
        packer.put_commit(hash.index(), *version + 1, commit)?;
        *version += u64::from(commit.1);
    }
    Ok(Ok(Position::new(first)))
}

/// Reads the version of a stream from the log.
fn stored_version(shared: &Shared, append: &Append) -> Result<u64, ReadError> {
    let newest = catch_panic(|| shared.newest(append.stream(), u64::MAX, 0));
    let newest = newest.unwrap_or_else(|panic| Err(io::Error::other(panic).into()))?;
    Ok(newest.map_or(0, |commit| commit.last_version().get()))
}

/// Refuses an append whose stream cannot be read: writing it could leave a gap or reuse a version.
/// Nothing was written, so the other appends are not affected.
fn refuse(append: &Append, error: ReadError) -> Result<AppendOutcome, StoreFailure> {
    tracing::error!(
        target: "actuarius::store",
        stream = %append.stream(),
        %error,
        "an append was refused, because the version of its stream cannot be read"
    );
    Ok(Err(error.into()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
