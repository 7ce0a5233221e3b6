//! Why a view could not be read or changed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::{OpenError, StoreFailure};

/// Why a view's place could not be opened, read or changed.
///
/// A view holds nothing that the log does not hold. Whatever is wrong with one, it can be rebuilt in
/// a new generation.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The name cannot be a view's. Nothing was written. Use 1 to 128 letters, digits, `-`, `_` and
    /// `.` of ASCII, with no `.` in front.
    #[error("{name:?} cannot be the name of a view")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// Someone has it open: another process, or another part of this one. Nothing was written.
    /// Close it there, with all of its readers.
    #[error("{what} is in use")]
    InUse {
        /// What is in use.
        what: String,
    },
    /// It is not what was written. Nothing was changed. Rebuild the view.
    #[error("damaged: {what}")]
    Damaged {
        /// What is damaged.
        what: String,
    },
    /// A newer release wrote it. Nothing was changed. Use that release, or rebuild the view.
    #[error("{what} has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// What has the newer format.
        what: String,
        /// The format found.
        found: u32,
        /// The newest format this release knows.
        supported: u32,
    },
    /// A key, a value or all changes together are larger than what is accepted. Nothing was written
    /// or added to the changes. Store less.
    #[error("{what} has {bytes} bytes, {limit} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How many bytes it has.
        bytes: usize,
        /// How many bytes it may have.
        limit: usize,
    },
    /// The operating system refused. What was being written is there whole or not at all when it is
    /// opened again. Remove the cause first.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// The table failed before, and accepts no more changes: nothing was written. Readers go on.
    /// Open it again.
    #[error("the table has failed: {cause}")]
    Failed {
        /// What happened first.
        cause: String,
    },
}

impl ViewError {
    /// What the system said about the file at `path`.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let said = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Self::Io(Arc::new(said))
    }

    pub fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<OpenError> for ViewError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Locked { path } => Self::InUse { what: path.display().to_string() },
            OpenError::Io { path, source } => Self::io(&path, &source),
            OpenError::NewerFormat { path, found, supported } => {
                Self::NewerFormat { what: path.display().to_string(), found, supported }
            }
            other => Self::damaged(other.to_string()),
        }
    }
}

impl From<StoreFailure> for ViewError {
    fn from(failure: StoreFailure) -> Self {
        Self::Io(Arc::new(io::Error::new(failure.source.kind(), failure.to_string())))
    }
}
