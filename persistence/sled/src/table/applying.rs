//! Applying batches to sled row by row, with a sync before too much is unsynced.

use std::sync::Arc;

use actuarius_persistence::table::ViewError;
use bytes::Bytes;

use super::keys::{self, MARKER, PART};
use super::reader::Shared;
use super::rows::{self, INLINE_MAX, Marker, PART_BYTES, Parts, Row};
use super::unapplied::Unapplied;
use crate::engine::accounting::{self, WRITTEN_MAX};
use crate::engine::beside_damage;
use crate::error::EngineError;

/// Writes batches to sled.
pub(super) struct Applier {
    shared: Arc<Shared>,
    /// What sled has written since its last sync at most.
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

    /// Records which batches the journal has and sled lacks.
    pub(super) fn begin(&mut self, first: u64, last: u64) -> Result<(), ViewError> {
        self.put(MARKER, Marker::Begun { first, last }.pack())
    }

    /// Writes the changes of all batches up to `last` to sled, which may already have any part of them.
    pub(super) fn apply(&mut self, last: u64, changes: &Unapplied) -> Result<(), ViewError> {
        for (number, (place, value)) in changes.iter().enumerate() {
            let key = keys::key(place);
            self.remove_parts(place, &key)?;
            match value {
                None => self.remove(&key)?,
                Some(value) if value.len() <= INLINE_MAX => {
                    self.put(&key, rows::pack_inline(place, value))?;
                }
                Some(value) => self.put_in_parts(place, &key, (last, number as u32), value)?,
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
        let put = beside_damage(|| self.shared.engine.db().insert(key, &value[..]));
        put.map(|_before| ()).map_err(|error| rows::put_error(key, error))
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), ViewError> {
        self.count(key, 0)?;
        let removed = beside_damage(|| self.shared.engine.db().remove(key));
        removed.map(|_before| ()).map_err(|error| rows::put_error(key, error))
    }

    fn count(&mut self, key: &[u8], value_bytes: usize) -> Result<(), ViewError> {
        let bytes = accounting::row(key.len(), value_bytes);
        if self.unsynced + bytes > WRITTEN_MAX {
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
