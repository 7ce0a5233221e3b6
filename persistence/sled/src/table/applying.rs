//! Applying a batch to sled row by row, with a sync before too much is unsynced.

use std::sync::Arc;

use actuarius_persistence::table::{Changes, ViewError};
use bytes::Bytes;

use super::keys::{self, MARKER, PART};
use super::reader::Shared;
use super::rows::{self, INLINE_MAX, Marker, PART_BYTES, Parts, Row};
use crate::engine::{KEY_OVERHEAD, SYNC_BYTES_MAX};
use crate::error::EngineError;

/// How many bytes a change counts in addition to its own.
///
/// Rows are spread over the whole tree, and sled writes more than the row: about 1.5 KB per change in the
/// measured worst case, a thousand small changes between large rows. So at most 1.6 MB are written between
/// two syncs, far less than a segment.
const SCATTER_BYTES: usize = 240;

/// How often a byte of a key counts in addition, except for the first ones.
///
/// One change in eight splits a leaf, and sled writes the node above it whole, with up to 320 keys at
/// which leaves begin. These keys are as long as the common prefix of neighbours, so up to 40 bytes are
/// written for each byte of a key. When keys counted once, rows with a common prefix of 1,000 bytes made
/// sled write 5.8 MB between two syncs. Now it writes 2.4 MB, including its cleaning.
const KEY_WEIGHT: usize = 6;

/// How many bytes of a key are included in `SCATTER_BYTES`.
const SHORT_KEY_BYTES: usize = 24;

/// Writes batches to sled.
pub(super) struct Applier {
    shared: Arc<Shared>,
    /// How many bytes were written to sled since its last sync.
    unsynced: usize,
    /// Whether there are or were values in parts, so that a change must remove the parts it replaces.
    has_parts: bool,
}

impl Applier {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, ViewError> {
        let part = shared.engine.keys(&[PART]).next().transpose();
        let part = part.map_err(|error| rows::error(&[], error.into()))?;
        // Earlier unsynced writes were synced when sled was opened.
        Ok(Self { shared, unsynced: 0, has_parts: part.is_some() })
    }

    /// Writes the whole batch to sled, which may already have any part of it.
    pub(super) fn apply(&mut self, sequence: u64, changes: &Changes) -> Result<(), ViewError> {
        self.put(MARKER, Marker::Begun(sequence).pack())?;
        for (number, (place, value)) in changes.iter().enumerate() {
            let key = keys::key(place);
            self.remove_parts(place, &key)?;
            match value {
                None => self.remove(&key)?,
                Some(value) if value.len() <= INLINE_MAX => {
                    self.put(&key, rows::pack_inline(place, value))?;
                }
                Some(value) => self.put_in_parts(place, &key, (sequence, number as u32), value)?,
            }
        }
        Ok(())
    }

    /// Makes everything up to the batch `sequence` durable.
    pub(super) fn checkpoint(&mut self, sequence: u64) -> Result<(), ViewError> {
        self.put(MARKER, Marker::Done(sequence).pack())?;
        self.sync()
    }

    /// Removes the parts of a row. The row still names them until it is replaced, so that an interrupted
    /// removal is repeated and no part is left over.
    fn remove_parts(&mut self, place: &[u8], key: &[u8]) -> Result<(), ViewError> {
        if !self.has_parts {
            return Ok(());
        }
        let failed = |error: EngineError| rows::error(place, error);
        let Some(row) = self.shared.engine.get(key).map_err(|error| failed(error.into()))? else {
            return Ok(());
        };
        match rows::unpack(place, &row).map_err(failed)? {
            Row::Inline(_) => Ok(()),
            Row::InParts(parts) => parts.keys().try_for_each(|key| self.remove(&key)),
        }
    }

    fn put_in_parts(
        &mut self,
        place: &[u8],
        key: &[u8],
        (sequence, number): (u64, u32),
        value: &Bytes,
    ) -> Result<(), ViewError> {
        self.has_parts = true;
        let parts = Parts::of(value, sequence, number);
        for (key, part) in parts.keys().zip(value.chunks(PART_BYTES)) {
            self.put(&key, part.to_vec())?;
        }
        self.put(key, rows::pack_parts(place, parts))
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), ViewError> {
        self.count(key, value.len())?;
        let put = self.shared.engine.db().insert(key, value);
        put.map(|_before| ()).map_err(|error| rows::put_error(key, error))
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), ViewError> {
        self.count(key, 0)?;
        let removed = self.shared.engine.db().remove(key);
        removed.map(|_before| ()).map_err(|error| rows::put_error(key, error))
    }

    fn count(&mut self, key: &[u8], value_bytes: usize) -> Result<(), ViewError> {
        let bytes = key.len() + value_bytes + KEY_OVERHEAD + SCATTER_BYTES;
        let bytes = bytes + key.len().saturating_sub(SHORT_KEY_BYTES) * KEY_WEIGHT;
        if self.unsynced + bytes > SYNC_BYTES_MAX {
            self.sync()?;
        }
        self.unsynced += bytes;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ViewError> {
        self.shared.engine.make_durable()?;
        self.unsynced = 0;
        Ok(())
    }
}
