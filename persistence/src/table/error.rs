//! Errors of views.

use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::error::{OpenError, StoreFailure};

/// Why a view could not be opened, read or changed.
///
/// A view contains only data derived from the log. Whatever is wrong with it, it can be rebuilt in a
/// new generation.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The name is invalid. Nothing was written. Use 1 to 128 ASCII letters, digits, `-`, `_` and
    /// `.`, and do not start with `.`.
    #[error("{name:?} is not a valid name of a view")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// Another process, or another part of this one, has the view open. Nothing was written. Close
    /// it there first, with all of its readers.
    #[error("{what} is in use")]
    InUse {
        /// What is in use.
        what: String,
    },
    /// The stored data is damaged. Nothing was changed. Rebuild the view.
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
        /// The newest format this release reads.
        supported: u32,
    },
    /// A key, a value or all changes together are too large. Nothing was written or added to the
    /// changes. Store less.
    #[error("{what} has {bytes} bytes, at most {limit} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The largest allowed size in bytes.
        limit: usize,
    },
    /// The operating system reported an error. When the view is opened again, it contains all of the
    /// last changes or none. Remove the cause first.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// The table failed before, and accepts no more changes: nothing was written. Readers still work.
    /// Open it again.
    #[error("the table has failed: {cause}")]
    Failed {
        /// The first error.
        cause: String,
    },
}

impl ViewError {
    /// Creates an error of the operating system about the file at `path`.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let named = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Self::Io(Arc::new(named))
    }

    /// Creates a [`ViewError::Damaged`]. For engines.
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
