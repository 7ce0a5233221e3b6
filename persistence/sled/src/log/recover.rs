//! Recovery when a store is opened: finds the end of the log and rebuilds the tail of the index.
//!
//! Only the log after the last run of the index is read, so opening does not take longer as the history
//! grows. Everything before is verified when it is read.

use std::ops::Bound;

use actuarius_domain::Position;
use actuarius_persistence::chain::{ChainEnd, Link};
use actuarius_persistence::files::OnFile;
use actuarius_persistence::{OpenError, StoreFailure};

use super::chunk::{self, Chunk};
use crate::engine::{Engine, Group, accounting};
use crate::error::{self, EngineError, Result, catch_panic};
use crate::files::Files;
use crate::format::Format;
use crate::index::manifest::{self, Manifest};
use crate::index::memtable::Index;
use crate::index::part::Entry;
use crate::keys::{self, StreamHash};

/// The result of a recovery.
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) manifest: Manifest,
    /// The end of the log.
    pub(crate) end: ChainEnd,
}

/// Reads the list of the runs of the index.
pub(crate) fn manifest(engine: &Engine, store: &Files) -> Result<Manifest, OpenError> {
    manifest::read(engine).map_err(|error| {
        let advice = "no event is affected; compacting the store makes its index again";
        damaged(store, format!("the index cannot be read: {error}; {advice}"))
    })
}

/// Reads the list of the runs of the index, or returns an empty list if it is damaged. Then the whole log is
/// read instead, and the index is in memory only.
pub(crate) fn manifest_or_none(engine: &Engine) -> Manifest {
    let report = |error: &EngineError| {
        tracing::warn!(
            target: "actuarius::store",
            %error,
            "the index cannot be read; the whole log is read instead"
        );
    };
    manifest::read(engine).inspect_err(report).unwrap_or_default()
}

/// Recovers the log, which must reach the position that was acknowledged last.
pub(crate) fn recover(
    engine: &Engine,
    store: &Files,
    format: &Format,
    (acknowledged, manifest): (Option<u64>, Manifest),
) -> Result<Recovered, OpenError> {
    let recovered = check(engine, store, format, (acknowledged, manifest))?;
    if let Some((first, parts)) = orphans(engine, store, recovered.end.position.get())? {
        tracing::warn!(
            target: "actuarius::store",
            position = first,
            parts,
            "the end of the log was not written completely; it was never acknowledged and is removed"
        );
        remove_parts(engine, first).map_err(|failure| io_error(store, &failure))?;
    }
    Ok(recovered)
}

/// Recovers the log without changing anything.
pub(crate) fn check(
    engine: &Engine,
    store: &Files,
    format: &Format,
    (acknowledged, manifest): (Option<u64>, Manifest),
) -> Result<Recovered, OpenError> {
    let recovered = walk(engine, format, store, manifest)?;
    let found = recovered.end.position.get();
    let Some(acknowledged) = acknowledged else {
        return Err(damaged(store, "both slots of the high-water mark are unreadable"));
    };
    if found < acknowledged {
        let path = store.root.clone();
        let (acknowledged, found) = (Position::new(acknowledged), Position::new(found));
        return Err(OpenError::Shorter { path, acknowledged, found });
    }
    orphans(engine, store, found)?;
    Ok(recovered)
}

fn damaged(store: &Files, what: impl Into<String>) -> OpenError {
    OpenError::Damaged { path: store.root.clone(), what: what.into() }
}

fn walk(
    engine: &Engine,
    format: &Format,
    store: &Files,
    manifest: Manifest,
) -> Result<Recovered, OpenError> {
    let index = Index::new(format.buckets, manifest.runs.clone());
    let mut head = manifest.indexed;
    let mut last = check_end(engine, store, head)?;
    loop {
        let next = load(engine, head + 1).map_err(|error| {
            let error = error.at(head + 1, None);
            damaged(store, error.to_string())
        })?;
        let Some(chunk) = next else { break };
        check_link(last.as_ref(), &chunk, store)?;
        index.extend(entries(&chunk, format.seed()));
        head = chunk.last;
        last = Some(chunk);
    }
    let end = end_of_chain(engine, last.as_ref());
    let end = end.map_err(|error| damaged(store, error.at(head, None).to_string()))?;
    Ok(Recovered { index, manifest, end })
}

/// Checks that the log reaches as far as the runs of the index do. Returns its last chunk there.
fn check_end(engine: &Engine, store: &Files, head: u64) -> Result<Option<Chunk>, OpenError> {
    if head == 0 {
        return Ok(None);
    }
    match floor(engine, head).map(|chunk| chunk.filter(|chunk| chunk.last == head)) {
        Ok(Some(chunk)) => Ok(Some(chunk)),
        Ok(None) => Err(damaged(store, format!("events before position {head} are missing"))),
        Err(error) => Err(damaged(store, error.at(head, None).to_string())),
    }
}

/// Checks that a chunk is chained to the one before it.
fn check_link(last: Option<&Chunk>, chunk: &Chunk, store: &Files) -> Result<(), OpenError> {
    let first = (chunk.first == 1).then_some(Link::NONE);
    let reached = last.map_or(first, |last| last.before.map(|link| last.end_of_chain(link).link));
    match (reached, chunk.before) {
        (Some(reached), Some(before)) if reached != before => {
            let what = format!("the chain of commits is broken before position {}", chunk.first);
            Err(damaged(store, what))
        }
        _ => Ok(()),
    }
}

/// Returns the end of the chain if the log ends with `last`. Chunks of format 1 have no link: if nothing
/// was written since, the chain is computed once from the start of the log.
fn end_of_chain(engine: &Engine, last: Option<&Chunk>) -> Result<ChainEnd> {
    let Some(last) = last else { return Ok(ChainEnd::default()) };
    if let Some(before) = last.before {
        return Ok(last.end_of_chain(before));
    }
    let mut end = ChainEnd::default();
    while end.position.get() < last.last {
        let chunk = load(engine, end.position.get() + 1)?;
        end = chunk.ok_or(EngineError::Malformed("events are missing"))?.end_of_chain(end.link);
    }
    Ok(end)
}

/// Returns the first chunk that can be read and starts at or after `from`, and at or before `end`. Chunks before
/// it are missing or damaged.
pub(crate) fn next_readable(engine: &Engine, mut from: u64, end: u64) -> Option<Chunk> {
    while from <= end {
        let start = Bound::Included(keys::chunk(from, 0).to_vec());
        let next = catch_panic(|| engine.from(start).next());
        let Ok(Some(Ok((key, _)))) = next else {
            // How far the damaged page reaches is not known.
            from += 1;
            continue;
        };
        let (first, _part) = keys::chunk_place(&key).filter(|(first, _)| *first <= end)?;
        if let Ok(Ok(Some(chunk))) = catch_panic(|| load(engine, first)) {
            return Some(chunk);
        }
        from = first + 1;
    }
    None
}

/// Reads the chunk that starts at `first`, or returns `None` if it does not exist.
pub(crate) fn load(engine: &Engine, first: u64) -> Result<Option<Chunk>> {
    let read = || chunk::read(first, |part| engine.get(&keys::chunk(first, part)));
    for _ in 0..REWRITES_MAX {
        let front = engine.get(&keys::chunk(first, 0))?;
        match read() {
            Err(EngineError::Malformed(_)) if engine.get(&keys::chunk(first, 0))? != front => {}
            read => return read,
        }
    }
    read()
}

/// How often a chunk is read again because it was rewritten meanwhile. It is rewritten at most twice:
/// when its events are archived, and when they are removed.
const REWRITES_MAX: usize = 4;

/// Reads the last chunk that starts at or before `position`.
pub(crate) fn floor(engine: &Engine, position: u64) -> Result<Option<Chunk>> {
    floor_place(engine, position)?.map_or(Ok(None), |first| load(engine, first))
}

/// Returns the start of the last chunk that starts at or before `position`.
pub(crate) fn floor_place(engine: &Engine, position: u64) -> Result<Option<u64>> {
    let found = engine.floor(&keys::chunk(position, u16::MAX))?;
    Ok(found.and_then(|(key, _)| keys::chunk_place(&key)).map(|(first, _part)| first))
}

/// Returns the index entries of a chunk's commits.
pub(crate) fn entries(chunk: &Chunk, seed: u64) -> impl Iterator<Item = Entry> {
    chunk.commits.iter().map(move |commit| {
        let view = commit.view();
        Entry {
            hash: StreamHash::of(seed, view.category, view.id).index(),
            version: view.version.get(),
            position: view.position.get(),
            chunk: chunk.first,
        }
    })
}

/// Returns the position and the last of the later parts of a large commit whose part 0 was never written. They can
/// only be directly after the end of the log. A chunk there, or anything later, means that events are missing.
fn orphans(engine: &Engine, store: &Files, head: u64) -> Result<Option<(u64, u16)>, OpenError> {
    let log = store.log();
    let io = |error| match error {
        sled::Error::Io(error) => Err(error).on(&log),
        error => Err(damaged(store, error.to_string())),
    };
    let Some((key, _)) = engine.floor(&keys::chunk(u64::MAX, u16::MAX)).or_else(io)? else {
        return Ok(None);
    };
    let Some((first, last)) = keys::chunk_place(&key).filter(|place| place.0 > head) else {
        return Ok(None);
    };
    let front = engine.floor(&keys::chunk(first, 0)).or_else(io)?;
    let is_first = front.and_then(|(key, _)| keys::chunk_place(&key)).is_none_or(|it| it.0 <= head);
    if first != head + 1 || last == 0 || !is_first {
        let what = format!("events are missing from position {} on", head + 1);
        return Err(damaged(store, what));
    }
    Ok(Some((first, last)))
}

/// Removes the parts of a chunk from the last one down, a few with each sync.
fn remove_parts(engine: &Engine, first: u64) -> Result<(), StoreFailure> {
    let keys: sled::Result<Vec<_>> = engine.keys(&keys::chunk_parts(first)).collect();
    let keys = keys.map_err(|error| {
        StoreFailure::new("looking up the end of the log", error::engine_io(error))
    })?;
    let mut group = Group::default();
    for key in keys.iter().rev() {
        if !group.has_room(accounting::removed_part(key.len())) {
            engine.sync(std::mem::take(&mut group))?;
        }
        group.remove_part(key);
    }
    engine.sync(group)
}

/// Converts a failed write to an error of opening the store.
pub(crate) fn io_error(store: &Files, failure: &StoreFailure) -> OpenError {
    let source = std::io::Error::new(failure.source.kind(), failure.to_string());
    OpenError::Io { path: store.log(), source }
}
