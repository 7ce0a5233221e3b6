//! Commits leave the log: the chunk they are in is written anew, at its own place, with what is left
//! of them. Positions, versions, the index and the chain stay as they are.
//!
//! A chunk is one group with all its parts, the old and the new ones, so a power cut leaves one or
//! the other.

use actuarius_persistence::stub_frame;
use actuarius_persistence::{Removal, StoreFailure};

use super::chunk::{self, Chunk};
use super::packing::Packing;
use super::recover;
use super::shared::Shared;
use crate::engine::Engine;
use crate::error::Trouble;
use crate::keys;

/// What a chunk written anew counts in its group beside its bytes.
///
/// Chunks that are written anew are found all over the tree. Every tenth change of a leaf makes sled
/// write the whole leaf again, which may be 100 KB of chunks that have not changed.
const SCATTER_BYTES: usize = 16 * 1024;

/// Carries out the removals, chunk by chunk.
pub(crate) fn remove(
    packing: &mut Packing<'_>,
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
        rewrite(packing, &chunk, these)?;
        rest = later;
    }
    Ok(())
}

/// Damage stops the writer: it must not write over what may still be read by other means.
fn chunk_of(engine: &Engine, position: u64) -> Result<Option<Chunk>, StoreFailure> {
    recover::floor(engine, position).map_err(|trouble: Trouble| {
        let error = std::io::Error::other(trouble.at(position, None));
        StoreFailure::new("reading a commit that is to be removed", error)
    })
}

fn rewrite(
    packing: &mut Packing<'_>,
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
    packing.replace(|part| keys::chunk(first, part), chunk.parts, parts, SCATTER_BYTES)
}
