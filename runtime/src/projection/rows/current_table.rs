//! `CurrentTable`: the table of a view that is read, which may be replaced while it is read.

use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::error::ViewReadError;
use super::{ROWS, View, row};

/// The table that readers of a view read. They hold it only during a read, so that a failed table can be closed and
/// opened again.
pub(crate) struct CurrentTable<V> {
    table: Arc<RwLock<Option<TableReader>>>,
    view: PhantomData<fn() -> V>,
}

impl<V> Clone for CurrentTable<V> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), view: PhantomData }
    }
}

impl<V> Default for CurrentTable<V> {
    fn default() -> Self {
        Self { table: Arc::default(), view: PhantomData }
    }
}

impl<V: View> CurrentTable<V> {
    pub(crate) fn read<R>(
        &self,
        look: impl FnOnce(&TableReader) -> Result<R, ViewReadError>,
    ) -> Result<R, ViewReadError> {
        // A reader that panics changes nothing.
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        look(table.as_ref().ok_or(ViewReadError::Closed)?)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<V::Row>, ViewReadError> {
        self.read(|table| {
            let row = table.get(ROWS, key)?;
            row.map(|row| row::decode(key, &row, table.sealer())).transpose()
        })
    }

    /// Returns the row, not yet decoded.
    pub(crate) fn stored(&self, key: &[u8]) -> Result<Option<Bytes>, ViewReadError> {
        self.read(|table| Ok(table.get(ROWS, key)?))
    }

    pub(crate) fn decode(&self, key: &[u8], row: &[u8]) -> Result<V::Row, ViewReadError> {
        let keys = self.read(|table| Ok(table.sealer().cloned()))?;
        row::decode(key, row, keys.as_ref())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<TableReader>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the table, and closes the one before if it is not open otherwise.
    pub(crate) fn set(&self, table: TableReader) {
        let before = self.write().replace(table);
        // Closed after the lock is released, so that readers do not wait for it.
        drop(before);
    }

    /// Removes the table. Reads fail until there is one again.
    pub(crate) fn clear(&self) {
        let before = self.write().take();
        drop(before);
    }
}
