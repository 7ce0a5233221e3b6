//! Removing commits from the log: their chunk is rewritten in place with stubs of them. Positions,
//! versions, the index and the chain do not change.
//!
//! The old and new parts of a chunk are in one group, so a power cut leaves the old or the new chunk.

use actuarius_persistence::{Removal, StoreFailure, stub_frame};

use super::chunk::{self, Chunk};
use super::packing::BatchPacker;
use super::recover;
use super::shared::Shared;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::keys;

/// How many bytes a rewritten chunk counts in its group, in addition to its own.
///
/// Rewritten chunks are spread over the whole tree. Every tenth change of a leaf makes sled write the
/// whole leaf again, which may be 100 KB of unchanged chunks.
const SCATTER_BYTES: usize = 16 * 1024;

/// Carries out the removals, chunk by chunk.
pub(crate) fn remove(
    packer: &mut BatchPacker<'_>,
    shared: &Shared,
    removals: &[Removal],
) -> Result<(), StoreFailure> {
    let mut removals: Vec<&Removal> = removals.iter().collect();
    removals.sort_by_key(|removal| removal.position);
    let mut rest = &removals[..];
    while let Some(next) = rest.first() {
        let chunk = chunk_of(&shared.engine, next.position)?;
        let Some(chunk) = chunk.filter(|chunk| chunk.last >= next.position) else {
            rest = &rest[1..];
            continue;
        };
        let inside = rest.partition_point(|removal| removal.position <= chunk.last);
        let (these, later) = rest.split_at(inside);
        rewrite(packer, &chunk, these)?;
        rest = later;
    }
    Ok(())
}

/// Reads the last chunk that starts at or before `position`. Damage stops the writer, because it must not
/// overwrite data that may still be recovered by other means.
fn chunk_of(engine: &Engine, position: u64) -> Result<Option<Chunk>, StoreFailure> {
    recover::floor(engine, position).map_err(|error: EngineError| {
        let error = std::io::Error::other(error.at(position, None));
        StoreFailure::new("reading a commit to remove", error)
    })
}

fn rewrite(
    packer: &mut BatchPacker<'_>,
    chunk: &Chunk,
    removals: &[&Removal],
) -> Result<(), StoreFailure> {
    let (mut frames, mut changed) = (Vec::new(), false);
    for commit in &chunk.commits {
        let position = commit.position().get();
        let removal = removals.iter().find(|removal| removal.position == position);
        match removal.filter(|removal| removal.concerns(commit)) {
            Some(removal) => frames.extend_from_slice(&stub_frame(commit, removal.gone)),
            None => frames.extend_from_slice(&commit.frame()),
        }
        changed |= removal.is_some_and(|removal| removal.concerns(commit));
    }
    if !changed {
        return Ok(());
    }
    let (first, commits) = (chunk.first, chunk.commits.len() as u32);
    let events = (chunk.last + 1 - chunk.first) as u32;
    let before = chunk.before;
    let parts = chunk::pack(&chunk::Packed { first, before, frames: &frames, commits, events });
    packer.replace(|part| keys::chunk(first, part), chunk.parts, parts, SCATTER_BYTES)
}
