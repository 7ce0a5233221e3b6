//! Giving sled a batch, row by row, with a sync before too much has been given.

use std::sync::Arc;

use actuarius_persistence::table::Changes;
use actuarius_persistence::table::ViewError;
use bytes::Bytes;

use super::keys::{self, MARKER, PART};
use super::reader::Shared;
use super::rows::{self, INLINE_MAX, Marker, PART_BYTES, Parts, Row};
use crate::engine::{KEY_OVERHEAD, SYNC_BYTES_MAX};
use crate::error::Trouble;

/// What a change counts beside its bytes.
///
/// Rows are found all over the tree, and sled writes more than the row: measured in the worst case,
/// a thousand small changes between large rows, about 1.5 KB for each. So no more than 1.6 MB are
/// written between two syncs, far less than a segment.
const SCATTER_BYTES: usize = 240;

/// How often a byte of a key counts, in addition, behind the first ones.
///
/// One change in eight splits a leaf, and sled writes the node above it whole, with up to 320 places
/// where leaves begin. These are as long as neighbours are alike, so up to 40 bytes are written for
/// each byte of a key. When keys counted once, rows that were alike in 1,000 bytes had sled write
/// 5.8 MB between two syncs, and now 2.4 MB, its cleaning included.
const KEY_WEIGHT: usize = 6;

/// How much of a key is in `SCATTER_BYTES` already.
const SHORT_KEY_BYTES: usize = 24;

pub(super) struct Applying {
    shared: Arc<Shared>,
    /// How much sled was given since it was synced.
    unsynced: usize,
    /// There are values in parts, or were: what a change replaces has to be looked at.
    has_parts: bool,
}

impl Applying {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, ViewError> {
        let part = shared.engine.keys(&[PART]).next().transpose();
        let part = part.map_err(|error| rows::error(&[], error.into()))?;
        // What a predecessor left unsynced has been synced when sled was opened.
        Ok(Self { shared, unsynced: 0, has_parts: part.is_some() })
    }

    /// Gives sled all of the batch. It may have had any part of it.
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
    pub(super) fn finish(&mut self, sequence: u64) -> Result<(), ViewError> {
        self.put(MARKER, Marker::Done(sequence).pack())?;
        self.sync()
    }

    /// The row goes on naming its parts until it is replaced, so that an interrupted removal is done
    /// again, and none is forgotten.
    fn remove_parts(&mut self, place: &[u8], key: &[u8]) -> Result<(), ViewError> {
        if !self.has_parts {
            return Ok(());
        }
        let failed = |trouble: Trouble| rows::error(place, trouble);
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
