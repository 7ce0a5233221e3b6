//! `Draft`: the rows of a keyed view while events are folded into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::Codec;
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::views::{Changes, TableReader, ViewError};

use super::error::{ViewReadError, name};
use super::key::{self, ROW_KEY_BYTES_MAX};
use super::row_cache::RowCache;
use super::secondary::{self, SecondaryKeys};
use super::{ROWS, SECONDARY, View, row};

/// The rows of a view while events are folded into them: those changed by the current command, over the cache, over
/// the table.
pub struct Draft<V: View> {
    table: TableReader,
    cache: RowCache<V::Row>,
    /// The rows that the current command has touched, by key.
    touched: BTreeMap<Vec<u8>, Touched<V>>,
    /// The first row that could not be read, and the event.
    failure: Option<(Position, ViewReadError)>,
}

/// A row that was stored, changed or, if `None`, removed.
struct Touched<V: View> {
    key: V::Key,
    row: Option<V::Row>,
}

impl<V: View> Draft<V> {
    pub(crate) fn over(table: TableReader) -> Self {
        Self { table, cache: RowCache::default(), touched: BTreeMap::new(), failure: None }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Takes the failure to read a row, if there is one.
    pub(crate) fn failure(&mut self) -> Option<(Position, ViewReadError)> {
        self.failure.take()
    }

    /// Returns whether the current command has stored, changed or removed any row.
    pub(crate) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Discards the changes of the current command.
    pub(crate) fn discard(&mut self) {
        self.touched.clear();
        self.failure = None;
    }

    pub(super) fn failed(&mut self, at: Position, error: ViewReadError) {
        self.failure.get_or_insert((at, error));
    }

    /// Returns a row as the events so far have left it.
    pub(super) fn get(&mut self, key: &[u8]) -> Result<Option<&V::Row>, ViewReadError> {
        if self.touched.contains_key(key) {
            return Ok(self.touched.get(key).and_then(|touched| touched.row.as_ref()));
        }
        self.before(key)
    }

    pub(super) fn put(&mut self, bytes: Vec<u8>, key: V::Key, row: Option<V::Row>) {
        self.touched.insert(bytes, Touched { key, row });
    }

    /// Returns a row to be changed.
    pub(super) fn touch(
        &mut self,
        bytes: Vec<u8>,
        key: V::Key,
    ) -> Result<&mut Option<V::Row>, ViewReadError> {
        if !self.touched.contains_key(&bytes) {
            let row = self.before(&bytes)?.cloned();
            self.touched.insert(bytes.clone(), Touched { key: key.clone(), row });
        }
        let touched = self.touched.entry(bytes).or_insert(Touched { key, row: None });
        Ok(&mut touched.row)
    }

    /// Returns a row as the commands before this one have left it.
    fn before(&mut self, key: &[u8]) -> Result<Option<&V::Row>, ViewReadError> {
        if self.cache.get(key).is_none() {
            let stored = self.table.get(ROWS, key)?;
            let row = stored
                .as_ref()
                .map(|bytes| row::decode(key, bytes, self.table.sealer()))
                .transpose()?;
            self.cache.put(key.to_vec(), row, stored.map_or(0, |bytes| bytes.len()));
        }
        Ok(self.cache.get(key).flatten())
    }

    /// Adds the changes of the current command to `changes`: rows and their secondary keys. Then the rows, as they
    /// are read back, are in the cache, so they must be stored, or the draft must be dropped.
    ///
    /// # Errors
    /// A row could not be read, is too large, or does not read back. Nothing was added to the cache.
    pub(crate) fn stage(
        &mut self,
        codec: Codec,
        mut changes: Changes,
    ) -> Result<Staged<V>, String> {
        let (mut keys, mut stored) = (BTreeMap::new(), Vec::with_capacity(self.touched.len()));
        let touched = std::mem::take(&mut self.touched);
        let personal = self.table.sealer().cloned();
        for (bytes, Touched { key, row }) in touched {
            let before = self.before(&bytes).map_err(|error| error.to_string())?;
            if before.is_none() && row.is_none() {
                stored.push((bytes, None, 0));
                continue;
            }
            let change = Change::<V> { bytes: &bytes, key: &key, before, keys: personal.as_ref() };
            let (row, size) = change
                .add_to(row, &mut changes, codec)
                .map_err(|why| format!("the row {} cannot be stored: {why}", name(&key)))?;
            keys.insert(bytes.clone(), key);
            stored.push((bytes, row, size));
        }
        for (bytes, row, size) in stored {
            self.cache.put(bytes, row, size);
        }
        Ok(Staged { changes, keys })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.cache.is_full()
    }

    /// Called when everything that was staged is in the table.
    pub(crate) fn stored(&mut self) {
        self.cache.shrink();
    }
}

/// The changes of one command to the table.
pub(crate) struct Staged<V: View> {
    pub(crate) changes: Changes,
    /// The keys of the rows that change, by their bytes.
    pub(crate) keys: BTreeMap<Vec<u8>, V::Key>,
}

/// The change of one row.
struct Change<'a, V: View> {
    bytes: &'a [u8],
    key: &'a V::Key,
    before: Option<&'a V::Row>,
    keys: Option<&'a Arc<dyn Sealer>>,
}

impl<V: View> Change<'_, V> {
    /// Adds the change. Returns the row as it is read back, and how many bytes it takes.
    fn add_to(
        &self,
        after: Option<V::Row>,
        changes: &mut Changes,
        codec: Codec,
    ) -> Result<(Option<V::Row>, usize), String> {
        self.check_key()?;
        let encoded = after.map(|row| row::encode(&row, codec, self.keys)).transpose()?;
        let text = |error: ViewError| error.to_string();
        let (after, size) = match encoded {
            Some((content, row)) => {
                changes.put(ROWS, self.bytes, &content).map_err(text)?;
                (Some(row), content.len())
            }
            None => {
                changes.remove(ROWS, self.bytes).map_err(text)?;
                (None, 0)
            }
        };
        self.change_secondary(after.as_ref(), changes).map_err(text)?;
        Ok((after, size))
    }

    fn check_key(&self) -> Result<(), String> {
        let (bytes, most) = (self.bytes.len(), ROW_KEY_BYTES_MAX);
        if bytes > most {
            return Err(format!("its key has {bytes} bytes, {most} are accepted"));
        }
        match key::whole::<V::Key>(self.bytes) {
            Some(back) if key::bytes(&back) == self.bytes => Ok(()),
            _ => Err("the bytes of its key do not read back as this key".to_owned()),
        }
    }

    fn change_secondary(
        &self,
        after: Option<&V::Row>,
        changes: &mut Changes,
    ) -> Result<(), ViewError> {
        let (before, after) = (self.secondary(self.before), self.secondary(after));
        for removed in before.iter().filter(|key| after.binary_search(key).is_err()) {
            let (entry, _) = secondary::entry(removed, self.bytes);
            changes.remove(SECONDARY, &entry)?;
        }
        for new in after.iter().filter(|key| before.binary_search(key).is_err()) {
            let (entry, begins) = secondary::entry(new, self.bytes);
            changes.put(SECONDARY, &entry, &begins)?;
        }
        Ok(())
    }

    fn secondary(&self, row: Option<&V::Row>) -> Vec<Vec<u8>> {
        let mut keys = SecondaryKeys::default();
        if let Some(row) = row {
            V::secondary(self.key, row, &mut keys);
        }
        keys.into_kept()
    }
}
