//! The one writer: checks versions, packs commits, syncs groups, and only then lets anyone see them.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use actuarius_domain::{Position, Version};
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::{Append, AppendOutcome, Batch, Conflict, StoreFailure, Writer};

use super::cache::Generations;
use super::packing::Packing;
use super::removing;
use super::shared::Shared;
use crate::engine::Group;
use crate::error;
use crate::high_water_mark::Mark;
use crate::index::manifest::Meta;
use crate::index::upkeep::Upkeep;
use crate::keys::StreamHash;
use crate::options::SledOptions;

/// How many streams' versions are kept in memory, in each of two generations: about 50 MB when full.
const HEADS_KEPT: usize = 512 * 1024;

pub(crate) struct SledWriter {
    shared: Arc<Shared>,
    mark: Mark,
    upkeep: Upkeep,
    /// The versions of streams lately used.
    heads: Generations<StreamHash, u64>,
    /// The end of the log.
    end: ChainEnd,
    /// The first failure. Nothing is written or synced after it: what the disk holds is not known.
    failure: Option<StoreFailure>,
}

impl SledWriter {
    /// What is found when the store is opened is shown to readers, so it counts as acknowledged.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut mark: Mark,
        meta: Meta,
        options: &SledOptions,
    ) -> Result<Self, StoreFailure> {
        let end = shared.chain();
        mark.raise(end.position.get())?;
        mark.settle()?;
        let upkeep = Upkeep::new(meta, options.index_run_commits, shared.index.buckets());
        let heads = Generations::new(HEADS_KEPT);
        Ok(Self { shared, mark, upkeep, heads, end, failure: None })
    }

    fn store(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        // Of the group before, whose callers have been told by now.
        self.mark.begin_sync();
        self.prepare_index()?;
        let shared = self.shared.clone();
        let mut packing = Packing::new(&shared, &mut self.upkeep, self.end);
        removing::remove(&mut packing, &shared, &batch.removals)?;
        let mut outcomes = Vec::with_capacity(batch.appends.len());
        for append in &batch.appends {
            outcomes.push(accept(&shared, &mut self.heads, &mut packing, append)?);
        }
        for stream in &batch.snapshots_dropped {
            packing.drop_snapshots(shared.hash(stream))?;
        }
        for snapshot in &batch.snapshots {
            packing.put_snapshot(shared.hash(&snapshot.stream), snapshot)?;
        }
        for notes in &batch.notes {
            packing.put_notes(notes)?;
        }
        let packed = packing.finish()?;
        if !batch.removals.is_empty() {
            shared.forget_chunks();
        }
        self.mark.raise(packed.head)?;
        shared.index.extend(packed.entries);
        self.end = ChainEnd { position: Position::new(packed.head), link: packed.link };
        shared.publish(self.end);
        if let Some(gate) = packed.gate {
            gate.open();
        }
        Ok(outcomes)
    }

    /// Freezes a full tail; when the one before has not been drained yet, because all groups were
    /// full to the brim, drains it now.
    fn prepare_index(&mut self) -> Result<(), StoreFailure> {
        let shared = &self.shared;
        while self.upkeep.is_behind(&shared.index) {
            let mut group = Group::default();
            self.upkeep.catch_up(&shared.engine, &shared.index, &mut group)?;
            shared.engine.sync(group)?;
            self.upkeep.settle(&shared.index);
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
        let stored = panic::catch_unwind(AssertUnwindSafe(|| self.store(batch)));
        let stored = stored.unwrap_or_else(|panic| {
            let error = io::Error::other(error::panic_text(&*panic));
            Err(StoreFailure::new("storing a batch panicked", error))
        });
        stored.inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    fn settle(&mut self) -> Result<(), StoreFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.mark.settle().inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    fn batch_bytes(&self) -> usize {
        // Compressed, this and the work on the index fit one sync; if not, it takes two.
        256 * 1024
    }
}

/// Packs the append, if the stream is at the version it expects.
fn accept(
    shared: &Shared,
    heads: &mut Generations<StreamHash, u64>,
    packing: &mut Packing<'_>,
    append: &Append,
) -> Result<AppendOutcome, StoreFailure> {
    let hash = shared.hash(append.stream());
    let actual = match heads.get(hash) {
        Some(version) => Version::new(version),
        None => stored_version(shared, append)?,
    };
    if actual != append.expected() {
        let (stream, expected) = (append.stream().clone(), append.expected());
        heads.insert(hash, actual.get());
        return Ok(Err(Conflict { stream, expected, actual }));
    }
    let first = packing.position();
    let mut version = actual.get();
    for commit in append.hashed_frames() {
        packing.put_commit(hash.index(), version + 1, commit)?;
        version += u64::from(commit.1);
    }
    heads.insert(hash, version);
    Ok(Ok(Position::new(first)))
}

/// The version a stream has in the log. Damage stops the writer: it must not write behind a hole.
fn stored_version(shared: &Shared, append: &Append) -> Result<Version, StoreFailure> {
    let newest = shared.newest(append.stream(), u64::MAX, 0).map_err(|error| {
        StoreFailure::new("looking up the version of a stream", io::Error::other(error))
    })?;
    Ok(newest.map_or(Version::NONE, |commit| commit.last_version()))
}
