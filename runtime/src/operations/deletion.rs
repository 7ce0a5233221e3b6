//! Deleting an aggregate: its stream ends, then its events leave the log and the archive.
//!
//! The end is an event like others: it has its place in the stream, and whoever recovers the aggregate
//! finds it. Taking away what stood before is done page by page, and takes as long as it takes. A note
//! says that it is under way, so what was interrupted goes on when the runtime is opened again.

mod closed;

use std::sync::Arc;

use actuarius_domain::{Aggregate, StreamId, Version};
use actuarius_persistence::archive::ArchiveError;
use actuarius_persistence::{Deletion, Gone, Notes, PageLimit, ReadError, Reader, Removal};

use crate::base::error::{ExecuteError, Failure};
use crate::engine::Engine;
use crate::request::execute::Execute;

pub use closed::{NotDeleted, delete as delete_closed};

/// Whether the id of a deleted aggregate may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The next command is decided on the default state. Versions go on where they were, so that no
    /// event is ever mistaken for one from before.
    Allowed,
    /// Every command is answered with [`Failure::Deleted`].
    Never,
}

/// What a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The version of the event that ends the stream.
    pub version: Version,
    /// How many commits have left the log now.
    pub commits: u64,
}

/// What the notes about deletions under way begin with; the stream's name follows.
const NOTES: &str = "deleting/";

/// How many commits leave the log with one piece of work: each makes the store write a page anew, and
/// commands wait for that a few milliseconds.
const AT_ONCE: usize = 32;

/// How many notes are read at once.
const NOTES_AT_ONCE: usize = 100;

impl From<Reuse> for Deletion {
    fn from(reuse: Reuse) -> Self {
        Self { reusable: reuse == Reuse::Allowed }
    }
}

/// Ends the stream and sweeps it.
pub(crate) async fn delete<A: Aggregate>(
    engine: Arc<Engine>,
    execute: Execute<A>,
    stream: StreamId,
) -> Result<Deleted, Failure> {
    engine.note(&stream, true).await?;
    let receipt = execute.await.map_err(|error| match error {
        ExecuteError::Failed(failure) => failure,
        ExecuteError::Rejected(_) => unreachable!("an end is not decided by the aggregate"),
    })?;
    // Nobody has to wait for it: dropped, it goes on all the same.
    let swept = tokio::spawn(async move { sweep(&engine, &stream).await });
    let commits = swept.await.map_err(|_| Failure::shutting_down())??;
    Ok(Deleted { version: receipt.version, commits })
}

/// Goes on with what was interrupted, behind the opening, which only looks whether there is anything.
pub(crate) async fn resume(engine: &Arc<Engine>) {
    let left = left_over(engine).await;
    if !left.is_empty() {
        tokio::spawn(finish(engine.clone(), left));
    }
}

async fn finish(engine: Arc<Engine>, mut left: Vec<StreamId>) {
    while !left.is_empty() {
        for stream in left {
            if let Err(error) = sweep(&engine, &stream).await {
                tracing::warn!(
                    target: "actuarius::deletion",
                    %stream,
                    %error,
                    "a deletion that was interrupted could not go on; it will when the runtime is opened again"
                );
                return;
            }
        }
        left = left_over(&engine).await;
    }
}

/// The streams whose deletion is under way: some of them.
async fn left_over(engine: &Engine) -> Vec<StreamId> {
    let notes = engine.read(|reader| reader.notes(NOTES.as_bytes(), None, NOTES_AT_ONCE)).await;
    match notes {
        Ok(notes) => notes.iter().filter_map(|note| stream_of(&note.key)).collect(),
        Err(error) => {
            tracing::warn!(
                target: "actuarius::deletion",
                %error,
                "it is not known which deletions were interrupted"
            );
            vec![]
        }
    }
}

fn stream_of(key: &[u8]) -> Option<StreamId> {
    let name = std::str::from_utf8(key).ok()?.strip_prefix(NOTES)?;
    let (length, name) = name.split_once('/')?;
    let (category, id) = name.split_at_checked(length.parse().ok()?)?;
    StreamId::new(category, id).ok()
}

/// Takes away what stands before the stream's last end. Doing it twice changes nothing.
async fn sweep(engine: &Arc<Engine>, stream: &StreamId) -> Result<u64, Failure> {
    let mut removed = 0;
    if let Some(end) = last_end(engine, stream).await? {
        engine.committer.remove(vec![], vec![stream.clone()]).await?;
        let mut after = Version::NONE;
        while after.next() < end {
            let (removals, last) = page(engine, stream, after, end).await?;
            removed += removals.len() as u64;
            after = last;
            if !removals.is_empty() {
                engine.committer.remove(removals, vec![]).await?;
            }
        }
        let of = stream.clone();
        engine.read(move |reader| reader.purge_archive(&of).map_err(purge_failed)).await?;
    }
    engine.note(stream, false).await?;
    Ok(removed)
}

fn purge_failed(error: ArchiveError) -> ReadError {
    std::io::Error::other(error).into()
}

async fn last_end(engine: &Engine, stream: &StreamId) -> Result<Option<Version>, Failure> {
    let stream = stream.clone();
    Ok(engine.read(move |reader| end_of(reader, &stream)).await?)
}

/// The version of the last event that ends the stream.
fn end_of(reader: &dyn Reader, stream: &StreamId) -> Result<Option<Version>, ReadError> {
    let (mut end, mut after) = (None, Version::NONE);
    loop {
        let page = reader.read_raw_stream(stream, after, PageLimit::default())?;
        for commit in &page.commits {
            let view = commit.view();
            let ends = view.events().filter(|event| event.deletion().is_some());
            end = ends.map(|event| event.version).last().or(end);
            after = view.last_version();
        }
        if !page.more {
            return Ok(end);
        }
    }
}

/// What to remove next, and up to which version that is all.
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
    let limit = PageLimit { commits: AT_ONCE, ..PageLimit::default() };
    let page = reader.read_raw_stream(stream, after, limit)?;
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

/// Says that the stream is being deleted, or that it has been.
fn note(stream: &StreamId, is_under_way: bool) -> Notes {
    let (category, id) = (stream.category(), stream.id());
    let key = format!("{NOTES}{}/{category}{id}", category.len());
    let mut notes = Notes::default();
    let noted = match is_under_way {
        true => notes.put(key.as_bytes(), b""),
        false => notes.remove(key.as_bytes()),
    };
    noted.expect("the longest name of a stream is far shorter than the longest of a note");
    notes
}

impl Engine {
    /// Notes that the stream is being deleted, or that it has been.
    async fn note(&self, stream: &StreamId, is_under_way: bool) -> Result<(), Failure> {
        Ok(self.committer.store_notes(note(stream, is_under_way)).await?)
    }
}
