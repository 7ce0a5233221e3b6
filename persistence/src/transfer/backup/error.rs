use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use thiserror::Error;
use uuid::Uuid;

use crate::archive::segment::SegmentError;
use crate::record::chain::ChainEnd;
use crate::{OpenError, ReadError, StoreFailure};

/// Why a backup was not taken, verified or restored.
///
/// What was in the backup before is as it was, and a run that failed is not in it. A store that was
/// not restored to its end is not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no backup.
    #[error("{path} holds no backup")]
    NotABackup {
        /// The directory.
        path: PathBuf,
    },
    /// Someone else works on the same backup, or in the same directory. Wait until they are done.
    #[error("{path} is in use by someone else")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer release has written it. Use that release.
    #[error("{path} has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this release knows.
        supported: u32,
    },
    /// A file of the backup is missing, or is not what was written. Fetch it again; the runs before
    /// can be restored.
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
    /// The backup is one of another store. Take this one's into another directory.
    #[error("the backup {path} is that of the store {found}, not of {store}")]
    OtherStore {
        /// The backup.
        path: PathBuf,
        /// Whose it is.
        found: Uuid,
        /// The store that was to be added to it.
        store: Uuid,
    },
    /// The store and the backup have different histories up to where the backup ends: the store has
    /// fewer events, or others. Take a backup of it into another directory, and find out which of the
    /// two is right.
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
    /// The backup ends before the position that is wanted. Restore to an earlier one, or take a run
    /// more.
    #[error("the backup ends at position {end}, before {wanted}")]
    Ahead {
        /// What is wanted.
        wanted: Position,
        /// Where it ends.
        end: Position,
    },
    /// There is something already where the store is to be restored. Choose an empty directory.
    #[error("{path} is not empty")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The store that was restored has another chain than the backup: a defect, or damage on the way.
    #[error("what was restored ends at {found}, the backup at {wanted}")]
    Differs {
        /// The end of the backup.
        wanted: ChainEnd,
        /// The end of the store.
        found: ChainEnd,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store that is restored cannot be made or opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store that is restored cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It was asked to stop.
    #[error("it was asked to stop")]
    Stopped,
}

impl BackupError {
    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Names the file an error is about.
pub(super) trait OnBackup<T> {
    fn on(self, path: &Path) -> Result<T, BackupError>;
}

impl<T> OnBackup<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, BackupError> {
        self.map_err(|source| BackupError::Io { path: path.to_owned(), source: Arc::new(source) })
    }
}
