//! The seam of view tables: an engine opens them; each has one writer, and readers.
//!
//! A table keeps keys and values in order. A commit changes several keys atomically.
//! [`views`](crate::views) manages the tables of each view; an engine only stores them. An application
//! uses this module only to provide its own engine.

pub mod changes;
pub(crate) mod error;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use changes::{Changes, Range};
pub use error::ViewError;

/// A key, without its space, and its value.
pub type Entry = (Bytes, Bytes);

/// Opens the tables of views on disk, one for each generation of a view.
pub trait TableEngine: Send + Sync {
    /// Returns whether there is a table in the directory of a generation.
    fn exists(&self, generation: &Path) -> bool;

    /// Opens the table in the directory of a generation, or creates an empty one there. Drops `keep`
    /// when the table and all its readers are closed.
    ///
    /// # Errors
    /// Returns [`ViewError`] if the table cannot be opened. No row was changed.
    fn open(
        &self,
        generation: &Path,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Result<Box<dyn TableWriter>, ViewError>;

    /// Returns whether the table of a generation, which is open, could be opened again now: whether there is room on
    /// the disk. Called after a failed commit, while the table is still read. Default: it could.
    ///
    /// # Errors
    /// Returns [`ViewError`] if not. No row was changed.
    fn can_open(&self, _generation: &Path) -> Result<(), ViewError> {
        Ok(())
    }

    /// Returns how long opening a view waits for another user of its directory.
    fn lock_wait(&self) -> Duration;
}

/// The one writer of an open table.
pub trait TableWriter: Send {
    /// Returns a reader of the same table.
    fn reader(&self) -> Arc<dyn ReadTable>;

    /// Makes the changes atomically. They survive a power cut when this returns.
    ///
    /// # Errors
    /// Returns [`ViewError`] if a write failed. When the table is opened again, it contains all of the
    /// changes or none. After the first error every later commit fails, too.
    fn commit(&mut self, changes: Changes) -> Result<(), ViewError>;
}

/// Reads an open table, from any thread. A commit is visible completely or not at all.
pub trait ReadTable: Send + Sync {
    /// Returns the value at a place, which is a space and a key (see [`changes::place`]).
    ///
    /// # Errors
    /// Returns [`ViewError::Damaged`], which names the key, or [`ViewError::Io`].
    fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError>;

    /// Returns the first `limit` entries of the range, or the last ones if `descending`.
    ///
    /// # Errors
    /// Returns [`ViewError::Damaged`], which names the key, or [`ViewError::Io`].
    fn scan(&self, range: &Range, descending: bool, limit: usize) -> Result<Vec<Entry>, ViewError>;
}
