//! Deletion of an aggregate: ends its stream, then removes its events from the log and the archive.
//!
//! The end is an event like others: it has a version, and recovery finds it. The events before it are
//! removed page by page, which takes time. A note in the store marks the deletion as unfinished, so an
//! interrupted deletion is resumed when the runtime is opened again.

mod closed;
mod request;
mod waiting;

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::archive::ArchiveError;
use actuarius_persistence::{Deletion, Gone, Notes, PageLimit, ReadError, Reader, Removal};

use super::REMOVALS_AT_ONCE;
use crate::base::error::Failure;
use crate::engine::Engine;

pub use closed::{Lag, NotDeleted, delete as delete_closed};
pub use request::Delete;

/// Whether the id of a deleted aggregate may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It may: the next command is decided on the default state. Versions continue after the deletion, so
    /// that no new event has the version of a deleted one.
    Allowed,
    /// It may not: every command fails with [`Failure::Deleted`].
    Never,
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The version of the event that ends the stream.
    pub version: Version,
    /// How many commits were removed from the log by this call.
    pub commits: u64,
}

/// The prefix of the keys of notes about unfinished deletions; the stream's name follows.
const NOTES: &str = "deleting/";

/// How many notes are read at once.
const NOTES_AT_ONCE: usize = 100;

impl From<Reuse> for Deletion {
    fn from(reuse: Reuse) -> Self {
        Self { reusable: reuse == Reuse::Allowed }
    }
}

/// Resumes interrupted deletions in a task. Opening waits only until they are found, so that no follower starts with a
/// stream of which a part is removed.
pub(crate) async fn resume(engine: &Arc<Engine>) {
    let head = engine.store.head();
    let mut streams = Vec::new();
    for (stream, end) in unfinished(engine).await {
        match &end {
            Ok(Some((_, end))) => engine.deletions.begin(&stream, *end),
            Ok(None) => {}
            Err(error) => {
                unread(error);
                engine.deletions.begin_before(&stream, head);
            }
        }
        streams.push((stream, end.ok().flatten()));
    }
    if !streams.is_empty() {
        engine.home.spawn(finish(engine.clone(), streams));
    }
}

/// A stream, with its end if it has one that could be read.
type Ended = (StreamId, Option<(Version, Position)>);

async fn finish(engine: Arc<Engine>, streams: Vec<Ended>) {
    for (stream, end) in streams {
        if let Err(error) = remove_deleted(&engine, &stream, end).await {
            tracing::warn!(
                target: "actuarius::deletion",
                %stream,
                %error,
                "an interrupted deletion could not be resumed; it is retried when the runtime is opened again"
            );
        }
        if engine.failure().is_some() || engine.store.reader().is_err() {
            return;
        }
    }
}

/// Returns the streams whose deletion is unfinished: those that could be read, and each with its end.
async fn unfinished(
    engine: &Engine,
) -> Vec<(StreamId, Result<Option<(Version, Position)>, ReadError>)> {
    let read = |reader: &dyn Reader| {
        let (streams, error) = noted(reader);
        let ends = streams.into_iter().map(|stream| {
            let end = end_of(reader, &stream);
            (stream, end)
        });
        Ok::<_, ReadError>((ends.collect(), error))
    };
    let (found, error) = engine.read(read).await.unwrap_or_else(|error| (vec![], Some(error)));
    error.iter().for_each(unread);
    found
}

fn unread(error: &ReadError) {
    tracing::warn!(
        target: "actuarius::deletion", %error, "an interrupted deletion could not be read"
    );
}

/// Returns the streams whose deletion is unfinished. If they cannot be read, it returns those before, and why.
fn noted(reader: &dyn Reader) -> (Vec<StreamId>, Option<ReadError>) {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        match reader.notes(NOTES.as_bytes(), after.as_deref(), NOTES_AT_ONCE) {
            Ok(notes) => {
                found.extend(notes.iter().filter_map(|note| stream_of(&note.key)));
                if notes.len() < NOTES_AT_ONCE {
                    return (found, None);
                }
                after = notes.last().map(|note| note.key.clone());
            }
            Err(error) => return (found, Some(error)),
        }
    }
}

fn stream_of(key: &[u8]) -> Option<StreamId> {
    let name = std::str::from_utf8(key).ok()?.strip_prefix(NOTES)?;
    let (length, name) = name.split_once('/')?;
    let (category, id) = name.split_at_checked(length.parse().ok()?)?;
    StreamId::new(category, id).ok()
}

/// Removes the events before the end of the stream, and its snapshots: before `end`, or before the last one if it is
/// `None`. Idempotent. If the stream has ended again since, the deletion stays marked as unfinished.
async fn remove_deleted(
    engine: &Arc<Engine>,
    stream: &StreamId,
    end: Option<(Version, Position)>,
) -> Result<u64, Failure> {
    let _turn = engine.deletions.turn(stream).await;
    if let Some((_, position)) = end {
        // At once, so that no follower takes a part of the stream.
        engine.deletions.begin(stream, position);
    }
    let of = stream.clone();
    let last = engine.read(move |reader| end_of(reader, &of)).await?;
    let removed = match end.or(last) {
        Some((version, position)) => {
            engine.deletions.begin(stream, position);
            let removed = remove_before(engine, stream, version).await?;
            if let Some(forgotten) = engine.deletions.complete(stream, position) {
                engine.tail.forget_up_to(forgotten);
                engine.deletions.forget_oldest();
            }
            removed
        }
        None => {
            engine.deletions.withdraw(stream);
            0
        }
    };
    if end.is_none() || end == last {
        engine.note(stream, false).await?;
    }
    Ok(removed)
}

async fn remove_before(
    engine: &Arc<Engine>,
    stream: &StreamId,
    end: Version,
) -> Result<u64, Failure> {
    engine.committer.remove(vec![], vec![stream.clone()]).await?;
    let (mut removed, mut after) = (0, Version::NONE);
    while after.next() < end {
        let (removals, last) = page(engine, stream, after, end).await?;
        removed += removals.len() as u64;
        after = last;
        if !removals.is_empty() {
            engine.committer.remove(removals, vec![]).await?;
        }
    }
    let of = stream.clone();
    engine
        .read(move |reader| reader.maintenance().purge_archive(&of, end).map_err(purge_failed))
        .await?;
    Ok(removed)
}

fn purge_failed(error: ArchiveError) -> ReadError {
    std::io::Error::other(error).into()
}

/// Returns version and position of the last event that ends the stream.
fn end_of(
    reader: &dyn Reader,
    stream: &StreamId,
) -> Result<Option<(Version, Position)>, ReadError> {
    let (mut end, mut after) = (None, Version::NONE);
    loop {
        let page = reader.maintenance().read_raw_stream(stream, after, PageLimit::default())?;
        for commit in &page.commits {
            let view = commit.view();
            let ends = view.events().filter(|event| event.deletion().is_some());
            end = ends.map(|event| (event.version, event.position)).last().or(end);
            after = view.last_version();
        }
        if !page.more {
            return Ok(end);
        }
    }
}

/// Returns the next commits to remove, and the version up to which they have been collected.
async fn page(
    engine: &Engine,
    stream: &StreamId,
    after: Version,
    end: Version,
) -> Result<(Vec<Removal>, Version), Failure> {
    let stream = stream.clone();
    Ok(engine.read(move |reader| removals(reader, &stream, after, end)).await?)
}

fn removals(
    reader: &dyn Reader,
    stream: &StreamId,
    after: Version,
    end: Version,
) -> Result<(Vec<Removal>, Version), ReadError> {
    let limit = PageLimit { commits: REMOVALS_AT_ONCE, ..PageLimit::default() };
    let page = reader.maintenance().read_raw_stream(stream, after, limit)?;
    let mut last = end;
    let mut removals = Vec::new();
    for commit in &page.commits {
        last = commit.view().last_version();
        if last < end && commit.gone() != Some(Gone::Removed) {
            removals.push(Removal::of(commit, Gone::Removed));
        }
    }
    Ok((removals, last))
}

/// The key of the note that marks the deletion of the stream as unfinished.
fn key(stream: &StreamId) -> String {
    let (category, id) = (stream.category(), stream.id());
    format!("{NOTES}{}/{category}{id}", category.len())
}

/// A note that marks the deletion of the stream as unfinished, or removes that mark.
fn note(stream: &StreamId, is_unfinished: bool) -> Notes {
    let mut notes = Notes::default();
    let noted = match is_unfinished {
        true => notes.put(key(stream).as_bytes(), b""),
        false => notes.remove(key(stream).as_bytes()),
    };
    noted.expect("the longest name of a stream is far shorter than the longest of a note");
    notes
}

impl Engine {
    /// Marks the deletion of the stream as unfinished, or removes that mark. Called in the turn of a deletion of it.
    async fn note(&self, stream: &StreamId, is_unfinished: bool) -> Result<(), Failure> {
        Ok(self.committer.store_notes(note(stream, is_unfinished)).await?)
    }

    /// Returns whether the deletion of the stream is marked as unfinished.
    async fn is_noted(&self, stream: &StreamId) -> Result<bool, Failure> {
        let key = key(stream);
        Ok(self.read(move |reader| reader.note(key.as_bytes())).await?.is_some())
    }
}
