//! Errors of backups.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use thiserror::Error;
use uuid::Uuid;

use crate::archive::segment::SegmentError;
use crate::record::chain::ChainEnd;
use crate::store::AmbiguousTime;
use crate::{OpenError, ReadError, StoreFailure};

/// Why a backup was not taken, verified or restored.
///
/// Previous runs are unchanged, and a failed run is not part of the backup. A store that was not restored
/// completely does not exist.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no backup.
    #[error("{path} contains no backup")]
    NotABackup {
        /// The directory.
        path: PathBuf,
    },
    /// Another process, or another part of this one, works on the same backup or directory. Wait until
    /// it has finished.
    #[error("{path} is in use by another process, or another part of this one")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer release wrote it. Use that release.
    #[error("{path} has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this release reads.
        supported: u32,
    },
    /// A file of the backup is missing or damaged. Copy it again; previous runs can still be
    /// restored.
    #[error("the backup is damaged: {path}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A segment cannot be written or read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The backup is one of another store. Use another directory.
    #[error("the backup {path} is one of the store {found}, not of {store}")]
    OtherStore {
        /// The backup.
        path: PathBuf,
        /// The store of the backup.
        found: Uuid,
        /// The store to be backed up.
        store: Uuid,
    },
    /// The store does not have the history of the backup up to its end: it has fewer or other events.
    /// Take a backup of the store into another directory, and find out which of the two is right.
    #[error(
        "the backup {path} ends at {backup}, which is not in the history of the store at {store}"
    )]
    OtherHistory {
        /// The backup.
        path: PathBuf,
        /// The end of the backup.
        backup: ChainEnd,
        /// The end of the store's log.
        store: ChainEnd,
    },
    /// The backup ends before the requested position. Restore to an earlier one, or take another run.
    #[error("the backup ends at position {end}, before {wanted}")]
    Ahead {
        /// The requested position.
        wanted: Position,
        /// The end of the backup.
        end: Position,
    },
    /// Commits are out of order around the requested time. Nothing was restored. Restore to one of the positions
    /// in it, or choose with [`Until::TimeWith`](super::Until::TimeWith).
    #[error(transparent)]
    AmbiguousTime(#[from] Box<AmbiguousTime>),
    /// The target directory or store is not empty. Choose an empty one.
    #[error("{path} is not empty")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The restored store has another chain than the backup, because of a defect, or damage while
    /// copying.
    #[error("the restored store ends at {found}, expected {wanted}")]
    Differs {
        /// The end of the backup.
        wanted: ChainEnd,
        /// The end of the store.
        found: ChainEnd,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The restored store cannot be created or opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The restored store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The operating system reported an error.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// The progress callback stopped it.
    #[error("it was stopped by the progress callback")]
    Stopped,
}

impl BackupError {
    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Adds the path of the file to an I/O error.
pub(super) trait OnBackup<T> {
    fn on(self, path: &Path) -> Result<T, BackupError>;
}

impl<T> OnBackup<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, BackupError> {
        self.map_err(|source| BackupError::Io { path: path.to_owned(), source: Arc::new(source) })
    }
}
