//! Errors of stores: damage, conflicts, and why a store could not be opened, read or written.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use crate::personal::error::KeyError;

/// Stored data that differs from what was written. Damage is always reported.
///
/// Nothing was changed. The rest of the store stays readable; restore the damaged part from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("damaged data at position {position}{}: {what}", in_stream(.stream))]
pub struct Damage {
    /// The damaged stream, or `None` if it cannot be determined.
    pub stream: Option<StreamId>,
    /// The first damaged position.
    pub position: Position,
    /// What is wrong.
    pub what: String,
}

fn in_stream(stream: &Option<StreamId>) -> String {
    stream.as_ref().map(|stream| format!(" in stream {stream}")).unwrap_or_default()
}

/// Why a store did not open. Nothing that was stored is lost by the attempt, and the next one reports the same. The
/// embedded store keeps a copy of what sled would erase after damage, and writes it back before it returns the error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has the store open. Close it there first.
    #[error("the store {path} is in use by another process, or another part of this one")]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The store was written by a newer release. Open it with that release.
    #[error("the store {path} has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this release reads.
        supported: u32,
    },
    /// The directory contains something that is not a store of this library, or a store whose format
    /// marker is unreadable.
    #[error("{path} does not contain a readable store: {what}")]
    UnknownFormat {
        /// The directory.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The log ends before an event that was acknowledged: acknowledged data is missing. Restore a
    /// backup. To see what is left, `sled::open_for_forensics` opens a copy for reading.
    #[error(
        "the store {path} ends at position {found}, but position {acknowledged} was acknowledged; copy its \
         directory away and restore a backup; what is left can be read in a copy, with \
         `sled::open_for_forensics` or `actuarius --forensics`"
    )]
    Shorter {
        /// The store's directory.
        path: PathBuf,
        /// The last position acknowledged, from the high-water mark.
        acknowledged: Position,
        /// The last position found.
        found: Position,
    },
    /// The store is damaged. Restore a backup, or copy the files away for forensics.
    #[error("the store {path} is damaged: {what}")]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The keys of its subjects cannot be used: a master key is missing or wrong.
    #[error("the keys {path} could not be opened: {source}")]
    Keys {
        /// The file of the keys.
        path: PathBuf,
        /// The cause.
        source: KeyError,
    },
    /// The async runtime in which the store is opened cannot run it. Open it within a tokio runtime that has
    /// timers: one that was built with `enable_all` or `enable_time`.
    #[error("the store cannot be opened here: {what}")]
    AsyncRuntime {
        /// What is missing.
        what: &'static str,
    },
    /// The operating system reported an error. Remove the cause and open again.
    #[error("the store {path} could not be opened: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Why something could not be read. Nothing was changed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stored data is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A snapshot is damaged. Older snapshots and the events are untouched: use those.
    #[error("the snapshot of {stream} at version {version} is damaged: {what}")]
    DamagedSnapshot {
        /// The stream of the snapshot.
        stream: StreamId,
        /// The version it was taken at.
        version: Version,
        /// What is wrong.
        what: String,
    },
    /// A note is damaged. The others are untouched; writing or removing it repairs it.
    #[error("the note {} is damaged: {what}", .key.escape_ascii())]
    DamagedNote {
        /// The note's name.
        key: Bytes,
        /// What is wrong.
        what: String,
    },
    /// The events are in the archive, and their segment is missing there. Put its file back, and
    /// read again.
    #[error(
        "the events of {stream} from position {position} are in the archive: \
         segment {segment} is not in {}", .directory.display()
    )]
    Archived {
        /// The stream of the events.
        stream: StreamId,
        /// The position of the first.
        position: Position,
        /// The segment's name.
        segment: Uuid,
        /// The directory of the archive.
        directory: PathBuf,
    },
    /// The store could not be read. Try again, or reopen the store.
    #[error("the store could not be read: {0}")]
    Io(Arc<io::Error>),
    /// The store has been closed. Open it again.
    #[error("the store is closed")]
    Closed,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// An append expected another version than the stream has. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stream {stream} is at version {actual}, not {expected}")]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// The version the append expected.
    pub expected: Version,
    /// The version the stream has.
    pub actual: Version,
}

/// Why one append stored nothing. The other appends of its batch are not affected.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The stream has another version.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The version of the stream could not be read, because the pages that name it are damaged. Restore
    /// them from a backup.
    #[error("the version of the stream could not be read: {0}")]
    Unreadable(#[from] ReadError),
}

impl Refusal {
    /// Returns the conflict, or `None` if the append was refused for another reason.
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Conflict(conflict) => Some(conflict),
            Self::Unreadable(_) => None,
        }
    }
}

/// A write or a sync failed: data in flight may or may not be on disk, and the writer refuses
/// everything from now on. Reopen the store: it recovers every acknowledged event.
#[derive(Debug, Clone, Error)]
#[error("{what}: {source}")]
pub struct StoreFailure {
    /// The operation that failed.
    pub what: &'static str,
    /// The error of the operating system.
    pub source: Arc<io::Error>,
}

impl StoreFailure {
    /// Creates the failure of the operation `what`.
    #[must_use]
    pub fn new(what: &'static str, source: io::Error) -> Self {
        Self { what, source: Arc::new(source) }
    }
}
