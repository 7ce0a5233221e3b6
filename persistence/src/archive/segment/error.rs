use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use thiserror::Error;

use crate::{Damage, ReadError};

/// Why a segment could not be written or read. A segment that could not be written is not there,
/// and one that could not be read is as it was.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// There is a file of this name already. Choose another name: segments are never changed.
    #[error("{path} is there already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is no segment, or one that was not written to its end, as after a copy that was
    /// cut short. Fetch it again.
    #[error("{path} is no whole segment: {what}")]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// It is a segment of another kind, or of another store.
    #[error("{path} is another segment: {what}")]
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
        /// The newest format this release knows.
        supported: u32,
    },
    /// Its bytes are not what was written. Fetch it again.
    #[error("{path} is damaged at byte {offset}, from position {position} on: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first position concerned.
        position: Position,
        /// What is wrong.
        what: &'static str,
    },
    /// A commit was to be written that does not stand behind the one before, or whose bytes are
    /// damaged. The segment is not there.
    #[error("a commit at position {position} does not belong here: {what}")]
    Misplaced {
        /// Its position.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
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

/// Names the file an error is about.
pub(crate) trait OnSegment<T> {
    fn on(self, path: &Path) -> Result<T, SegmentError>;
}

impl<T> OnSegment<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, SegmentError> {
        self.map_err(|source| SegmentError::Io { path: path.to_owned(), source: Arc::new(source) })
    }
}
