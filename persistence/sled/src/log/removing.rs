//! Removing commits from the log: their chunk is rewritten in place with stubs of them. Positions,
//! versions, the index and the chain do not change.
//!
//! The new parts of a chunk are in one group, so a power cut leaves the old or the new chunk. Old parts
//! that the new chunk does not have are not read any more; many of them are removed in pieces.

use actuarius_persistence::{Removal, StoreFailure, stub_frame};

use super::backlog::Backlog;
use super::chunk::{self, Chunk};
use super::packing::BatchPacker;
use super::{keeping, recover};
use crate::engine::{Engine, Group};
use crate::error::EngineError;
use crate::keys;
use crate::leftovers::Leftover;

/// Carries out the removals, chunk by chunk.
pub(crate) fn remove(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    removals: &[Removal],
) -> Result<(), StoreFailure> {
    let mut removals: Vec<&Removal> = removals.iter().collect();
    removals.sort_by_key(|removal| removal.position);
    let mut rest = &removals[..];
    while let Some(next) = rest.first() {
        let chunk = chunk_of(packer.engine(), next.position);
        let Some(chunk) = chunk.filter(|chunk| chunk.last >= next.position) else {
            rest = &rest[1..];
            continue;
        };
        let inside = rest.partition_point(|removal| removal.position <= chunk.last);
        let (these, later) = rest.split_at(inside);
        rewrite(packer, backlog, &chunk, these)?;
        rest = later;
    }
    Ok(())
}

/// Reads the last chunk that starts at or before `position`. A damaged one is left alone, because it may
/// still be recovered by other means, and reported: no other work is affected.
fn chunk_of(engine: &Engine, position: u64) -> Option<Chunk> {
    let report = |error: &EngineError| {
        tracing::error!(
            target: "actuarius::store",
            position,
            %error,
            "a commit cannot be removed, because it cannot be read"
        );
    };
    recover::floor(engine, position).inspect_err(report).ok().flatten()
}

fn rewrite(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
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
    replace(packer, backlog, chunk, parts)
}

/// Replaces the parts of a chunk by new ones in one group, so that the chunk is never incomplete. The parts
/// that it does not need any more are removed with them or later.
fn replace(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    old: &Chunk,
    parts: Vec<Vec<u8>>,
) -> Result<(), StoreFailure> {
    let (first, count) = (old.first, parts.len() as u16);
    let mut group = Group::default();
    for (number, part) in parts.into_iter().enumerate() {
        group.put(packer.engine().db(), &keys::chunk(first, number as u16), part);
    }
    if old.parts > count {
        let leftover = Leftover { prefix: keys::chunk_parts(first), parts: count..old.parts };
        keeping::remove_rest(packer, backlog, &mut group, leftover);
    }
    packer.together(group)
}
