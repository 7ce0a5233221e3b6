//! Errors of segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use thiserror::Error;

use crate::error::{Damage, ReadError};

/// Why a segment could not be written or read. A segment that could not be written does not exist, and
/// one that could not be read is unchanged.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A file of this name already exists. Choose another name: segments are never changed.
    #[error("{path} already exists")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a segment, or is incomplete, for example after an interrupted copy. Copy it
    /// again.
    #[error("{path} is not a complete segment: {what}")]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// It is a segment of another kind, or of another store.
    #[error("{path} is not the expected segment: {what}")]
    Another {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A newer release wrote it. Read it with that release.
    #[error("{path} has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this release reads.
        supported: u32,
    },
    /// Its bytes differ from what was written. Copy it again from a backup.
    #[error("{path} is damaged at byte {offset}, position {position}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The offset of the damage.
        offset: u64,
        /// The first damaged position.
        position: Position,
        /// What is wrong.
        what: &'static str,
    },
    /// A commit to be written is damaged, or its position is not after the previous one. The segment was
    /// not created.
    #[error("the commit at position {position} cannot be written to the segment: {what}")]
    Misplaced {
        /// Its position.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// The operating system reported an error.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
}

impl From<SegmentError> for ReadError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Damaged { position, .. } => {
                Damage { stream: None, position, what: error.to_string() }.into()
            }
            SegmentError::NotWhole { .. } | SegmentError::Another { .. } => {
                Damage { stream: None, position: Position::NONE, what: error.to_string() }.into()
            }
            SegmentError::Io { ref source, .. } => {
                io::Error::new(source.kind(), error.to_string()).into()
            }
            other => io::Error::other(other).into(),
        }
    }
}

/// Adds the path of the file to an I/O error.
pub(crate) trait OnSegment<T> {
    fn on(self, path: &Path) -> Result<T, SegmentError>;
}

impl<T> OnSegment<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, SegmentError> {
        self.map_err(|source| SegmentError::Io { path: path.to_owned(), source: Arc::new(source) })
    }
}
