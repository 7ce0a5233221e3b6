//! The table of a view: its writer and its readers.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::personal::sealer::Sealer;
use crate::table::changes::{self, Changes};
use crate::table::error::ViewError;
use crate::table::{Entry, ReadTable, TableWriter};

/// The only writer of a table: keys and values in order, in up to 256 spaces, changed in atomic and
/// durable batches.
///
/// It cannot be cloned. [`TableReader`]s read what it stores. The table stays open until the writer and
/// all readers are dropped.
pub struct Table {
    writer: Box<dyn TableWriter>,
    sealer: Option<Arc<dyn Sealer>>,
}

/// Reads a table. Cheap to clone, for any number of threads.
///
/// A batch is visible completely or not at all, and only once it is durable. Each call reads a
/// consistent state: a scan never returns a part of a batch.
#[derive(Clone)]
pub struct TableReader {
    reader: Arc<dyn ReadTable>,
    sealer: Option<Arc<dyn Sealer>>,
}

impl Table {
    pub(super) fn new(writer: Box<dyn TableWriter>, sealer: Option<Arc<dyn Sealer>>) -> Self {
        Self { writer, sealer }
    }

    /// Returns a reader of this table.
    #[must_use]
    pub fn reader(&self) -> TableReader {
        TableReader { reader: self.writer.reader(), sealer: self.sealer.clone() }
    }

    /// Makes the changes atomically. They survive a power cut when this returns.
    ///
    /// # Errors
    /// Returns [`ViewError`] if a write failed. When the table is opened again, it contains all of the
    /// changes or none. After the first error every later commit fails, because the content of the disk
    /// is unknown: open the table again, or rebuild the view.
    pub fn commit(&mut self, changes: Changes) -> Result<(), ViewError> {
        self.writer.commit(changes)
    }
}

impl TableReader {
    /// Returns the keys that seal and open personal data in the table, if there are any.
    #[must_use]
    pub fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// Returns the value of `key`.
    ///
    /// # Errors
    /// After [`ViewError::Damaged`], which names the key, rebuild the view. After [`ViewError::Io`] try
    /// again.
    pub fn get(&self, space: u8, key: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let place = changes::place(space, key);
        self.reader.get(&place)
    }

    /// Returns the first `limit` entries of a space within the range. If `descending`, returns the last
    /// ones, the last first.
    ///
    /// A commit waits for running scans, and later reads wait for the commit. So read pages of a few
    /// thousand entries.
    ///
    /// # Errors
    /// After [`ViewError::Damaged`], which names the key, rebuild the view. After [`ViewError::Io`] try
    /// again.
    pub fn scan(
        &self,
        space: u8,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        descending: bool,
        limit: usize,
    ) -> Result<Vec<Entry>, ViewError> {
        let Some(range) = changes::places(space, range) else { return Ok(vec![]) };
        self.reader.scan(&range, descending, limit)
    }
}
