//! Deletion of a stream of any type in a store that no runtime has open.

use std::time::SystemTime;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::archive::ArchiveError;
use actuarius_persistence::{
    Append, Batch, Gone, NewCommit, Notes, ReadError, Reader, Removal, Store, StoreFailure,
};
use thiserror::Error;
use uuid::Uuid;

use super::{Deleted, Reuse, end_of, note, removals};
use crate::aggregate::timed_hosting::TIMERS_MAX;
use crate::aggregate::timers::prefix_of;
use crate::base::error::names;
use crate::base::follower_status::{FollowerStatus, LaggingFollower};
use crate::base::stored_commit::{commit_with, is_deletion};
use crate::subscription;

/// Deletes a stream like [`Aggregates::delete`](crate::Aggregates::delete), without knowing its Rust type.
/// Returns `None` if it was deleted before or never existed.
///
/// A subscription that has a checkpoint and has not finished the events of the stream would never receive them. `lag`
/// says whether the stream is deleted all the same. Views of a closed store are not looked at.
///
/// An interrupted deletion is resumed when a runtime opens the store, or when this is called again.
///
/// # Errors
/// [`NotDeleted`] says what was written, and what to do.
pub fn delete(
    store: &mut Store,
    stream: &StreamId,
    reuse: Reuse,
    lag: Lag,
) -> Result<Option<Deleted>, NotDeleted> {
    let version = store.reader.version(stream)?;
    let Some(last) = last_commit(&*store.reader, stream, version)? else { return Ok(None) };
    let end = match last {
        // An earlier deletion may have been interrupted.
        Last::End => version,
        Last::Event { time, position } => {
            if lag == Lag::Refused {
                unless_followers_lag(&*store.reader, stream, position)?;
            }
            end(store, stream, version, time, reuse)?
        }
    };
    let commits = remove_deleted(store, stream, end)?;
    Ok(matches!(last, Last::Event { .. }).then_some(Deleted { version: end, commits }))
}

/// What a deletion does if subscriptions have not finished the events of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// It fails with [`NotDeleted::FollowersLag`], and nothing is deleted.
    Refused,
    /// It deletes the stream. They receive no further event of it, and react to its end.
    Ignored,
}

fn unless_followers_lag(
    reader: &dyn Reader,
    stream: &StreamId,
    position: Position,
) -> Result<(), NotDeleted> {
    let lagging = subscription::lagging(reader, stream.category(), position)?;
    let of = |(name, position): (String, Position)| LaggingFollower {
        name: name.into(),
        status: FollowerStatus::Stopped,
        position,
    };
    match lagging.is_empty() {
        true => Ok(()),
        false => Err(NotDeleted::FollowersLag {
            position,
            followers: lagging.into_iter().map(of).collect(),
        }),
    }
}

/// The last commit of a stream.
#[derive(Clone, Copy)]
enum Last {
    /// It was deleted.
    End,
    /// It was not deleted; its last event was decided at this time, and has this position, unless it was removed.
    Event { time: Timestamp, position: Position },
}

fn last_commit(
    reader: &dyn Reader,
    stream: &StreamId,
    version: Version,
) -> Result<Option<Last>, ReadError> {
    if version == Version::NONE {
        return Ok(None);
    }
    let Some(commit) = commit_with(reader, stream, version)? else { return Ok(None) };
    if is_deletion(&commit) {
        return Ok(Some(Last::End));
    }
    // After a restore to before a deletion there may be events without content. None of them can be received any more.
    let is_removed = commit.gone() == Some(Gone::Removed);
    let position = if is_removed { Position::NONE } else { commit.last_position() };
    Ok(Some(Last::Event { time: commit.view().time, position }))
}

/// Ends the stream and marks the deletion as unfinished, both atomically.
fn end(
    store: &mut Store,
    stream: &StreamId,
    version: Version,
    last: Timestamp,
    reuse: Reuse,
) -> Result<Version, NotDeleted> {
    let commit = NewCommit {
        // The times of one aggregate never go back.
        time: Timestamp::from(SystemTime::now()).max(last),
        command_id: Uuid::now_v7().into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    let mut append = Append::new(stream.clone(), version);
    append.push_deletion(commit, reuse.into()).expect("it is short");
    let batch =
        Batch { appends: vec![append], notes: vec![note(stream, true)], ..Batch::default() };
    let outcomes = store.writer.commit(&batch)?;
    match outcomes.first() {
        Some(Ok(_)) => Ok(version.next()),
        _ => Err(NotDeleted::Conflict),
    }
}

/// Removes the notes of its timers, now that the stream has ended.
fn remove_timers(store: &mut Store, stream: &StreamId) -> Result<(), NotDeleted> {
    let prefix = prefix_of(stream.category(), stream.id());
    loop {
        let found = store.reader.notes(prefix.as_bytes(), None, TIMERS_MAX)?;
        let mut removed = Notes::default();
        for note in &found {
            removed.remove(&note.key).expect("so few changes with such keys fit into a set");
        }
        if removed.is_empty() {
            return Ok(());
        }
        store.writer.commit(&Batch { notes: vec![removed], ..Batch::default() })?;
    }
}

fn remove_deleted(store: &mut Store, stream: &StreamId, end: Version) -> Result<u64, NotDeleted> {
    let reader = store.reader.clone();
    let end = end_of(&*reader, stream)?.map_or(end, |(version, _)| version);
    let mut remove = |removals: Vec<Removal>, snapshots_dropped: Vec<StreamId>| {
        store.writer.commit(&Batch { removals, snapshots_dropped, ..Batch::default() })
    };
    remove(vec![], vec![stream.clone()])?;
    let (mut removed, mut after) = (0, Version::NONE);
    while after.next() < end {
        let (gone, last) = removals(&*reader, stream, after, end)?;
        (removed, after) = (removed + gone.len() as u64, last);
        if !gone.is_empty() {
            remove(gone, vec![])?;
        }
    }
    reader.maintenance().purge_archive(stream, end)?;
    remove_timers(store, stream)?;
    store.writer.commit(&Batch { notes: vec![note(stream, false)], ..Batch::default() })?;
    Ok(removed)
}

/// Why a stream was not deleted, or not completely. After [`FollowersLag`](NotDeleted::FollowersLag) nothing was
/// deleted. After another error call [`delete`] again; a runtime that opens the store resumes a deletion that was begun,
/// too.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum NotDeleted {
    /// The stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store has failed. Open it again.
    #[error(transparent)]
    Failed(#[from] StoreFailure),
    /// The events could not be removed from the archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Another event was written to the stream at the same time. Nothing was written.
    #[error("the stream was changed at the same time")]
    Conflict,
    /// Subscriptions have not finished the events of the stream. Nothing was written. Start them in a runtime until they
    /// have, [`discard`](crate::subscription::SubscriptionBuilder::discard) those that are not used any more, or delete
    /// with [`Lag::Ignored`].
    #[error(
        "not finished at position {position}, the last event of the stream: {}",
        names(followers)
    )]
    FollowersLag {
        /// The position of the last event of the stream.
        position: Position,
        /// The subscriptions, and how far each is.
        followers: Vec<LaggingFollower>,
    },
}
