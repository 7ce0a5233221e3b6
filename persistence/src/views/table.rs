use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::personal::sealer::Sealer;
use crate::table::changes::{self, Changes};
use crate::table::error::ViewError;
use crate::table::{Entry, ReadTable, TableWriter};

/// Keys and values in order, in up to 256 spaces, changed by one writer in batches that are atomic
/// and durable.
///
/// This is the writer: there is one, and it is not cloneable. What it stores is read through
/// [`TableReader`]s. The table stays open until the writer and all readers are gone.
pub struct Table {
    writer: Box<dyn TableWriter>,
    sealer: Option<Arc<dyn Sealer>>,
}

/// Looks into a table. Cheap to clone, for any number of threads.
///
/// A batch is seen whole or not at all, and only when it survives a power cut. An answer is of one
/// moment: a scan never sees half a batch either.
#[derive(Clone)]
pub struct TableReader {
    reader: Arc<dyn ReadTable>,
    sealer: Option<Arc<dyn Sealer>>,
}

impl Table {
    pub(super) fn new(writer: Box<dyn TableWriter>, sealer: Option<Arc<dyn Sealer>>) -> Self {
        Self { writer, sealer }
    }

    /// Someone who looks into this table.
    #[must_use]
    pub fn reader(&self) -> TableReader {
        TableReader { reader: self.writer.reader(), sealer: self.sealer.clone() }
    }

    /// Makes the changes, all or none. When this returns they survive a power cut.
    ///
    /// # Errors
    /// [`ViewError`]: the changes are there whole after the table was opened again, or not at all.
    /// After the first error every other commit fails too, since it is not known what the disk
    /// holds: open the table again, or rebuild the view.
    pub fn commit(&mut self, changes: Changes) -> Result<(), ViewError> {
        self.writer.commit(changes)
    }
}

impl TableReader {
    /// What personal data in the table is sealed and opened with, if there are keys.
    #[must_use]
    pub fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// What `key` says.
    ///
    /// # Errors
    /// [`ViewError::Damaged`], naming the key: rebuild the view. [`ViewError::Io`]: try again.
    pub fn get(&self, space: u8, key: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let place = changes::place(space, key);
        self.reader.get(&place)
    }

    /// The first `limit` keys of a space within the range, with what they say; the last ones, last
    /// first, when `descending`.
    ///
    /// A commit that comes meanwhile waits for the scan, and others who want to read wait for the
    /// commit: read pages of a few thousand entries.
    ///
    /// # Errors
    /// [`ViewError::Damaged`], naming the key: rebuild the view. [`ViewError::Io`]: try again.
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
