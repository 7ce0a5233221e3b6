//! `Rows`: the rows of a view while an event is projected into them.

use std::borrow::Borrow;

use actuarius_domain::Position;

use super::View;
use super::draft::Draft;
use super::error::ViewReadError;
use super::key::{KeyBytes, bytes, whole};

/// The rows of a view while an event is projected into them.
///
/// Recently used rows are in memory, others are read from the disk. `project` need not handle a row that cannot
/// be read: then none of its changes for the event count, and the projection reports the failure.
pub struct Rows<'a, V: View> {
    draft: &'a mut Draft<V>,
    at: Position,
}

impl<V: View> Draft<V> {
    /// Projects one event. After a failure nothing is projected, because rows may be missing.
    pub(crate) fn project(&mut self, at: Position, project: impl FnOnce(&mut Rows<'_, V>)) {
        if !self.has_failed() {
            project(&mut Rows { draft: self, at });
        }
    }
}

impl<V: View> Rows<'_, V> {
    /// Returns the row of a key, as the events so far have left it.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&V::Row>
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.load(&bytes(key))
    }

    /// Stores a row under a key, and replaces the one before.
    pub fn put(&mut self, key: impl Into<V::Key>, row: V::Row) {
        let key = key.into();
        self.draft.put(bytes(&key), key, Some(row));
    }

    /// Changes the row of a key. If there is none, the change starts from the default.
    pub fn update(&mut self, key: impl Into<V::Key>, change: impl FnOnce(&mut V::Row))
    where
        V::Row: Default,
    {
        let key = key.into();
        match self.draft.touch(bytes(&key), key) {
            Ok(row) => change(row.get_or_insert_default()),
            Err(error) => self.draft.failed(self.at, error),
        }
    }

    /// Removes the row of a key, if there is one.
    pub fn remove<Q>(&mut self, key: &Q)
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        let bytes = bytes(key);
        match whole(&bytes) {
            Some(key) => self.draft.put(bytes, key, None),
            None => {
                let error = ViewReadError::row(&bytes, "its bytes cannot be read as a key");
                self.draft.failed(self.at, error);
            }
        }
    }

    fn load(&mut self, key: &[u8]) -> Option<&V::Row> {
        // Called twice, because a returned borrow cannot be released to record the failure.
        if let Err(error) = self.draft.get(key) {
            self.draft.failed(self.at, error);
            return None;
        }
        self.draft.get(key).ok().flatten()
    }
}
