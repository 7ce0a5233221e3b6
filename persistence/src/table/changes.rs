//! Changes of a view table, which the next commit makes atomically.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use bytes::Bytes;

use super::error::ViewError;

/// The longest key, in bytes. Short keys make every lookup faster, because an index repeats them.
pub const KEY_BYTES_MAX: usize = 1600;

/// The largest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The size at which changes are full: enough for a few thousand rows, and small enough to be written in a
/// few milliseconds.
pub const CHANGES_BYTES_SOFT: usize = 640 * 1024;

/// The largest size of changes that are collected. They are held in memory until they are applied, and written twice.
pub const CHANGES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The largest size of the changes of one command, which cannot be split: they become visible at once. The one that
/// made them has held the rows in memory, too.
pub const COMMAND_CHANGES_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The size that a change adds beside its key and value.
const CHANGE_BYTES: usize = 16;

/// The changes that the next commit of a table makes atomically. A later change of a key replaces an
/// earlier one.
#[derive(Debug, Clone)]
pub struct Changes {
    /// By space and key. `None` is a removal.
    by_key: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    /// The largest size.
    limit: usize,
}

impl Default for Changes {
    fn default() -> Self {
        Self::limited(CHANGES_BYTES_MAX)
    }
}

impl Changes {
    /// Creates an empty set of changes, for up to [`CHANGES_BYTES_MAX`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty set for the changes of one command, up to [`COMMAND_CHANGES_BYTES_MAX`].
    #[must_use]
    pub fn of_command() -> Self {
        Self::limited(COMMAND_CHANGES_BYTES_MAX)
    }

    fn limited(limit: usize) -> Self {
        Self { by_key: BTreeMap::new(), bytes: 0, limit }
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// Returns [`ViewError::TooLarge`] above [`KEY_BYTES_MAX`], [`VALUE_BYTES_MAX`] or the largest size of the
    /// set. The changes are then unchanged.
    pub fn put(&mut self, space: u8, key: &[u8], value: &[u8]) -> Result<(), ViewError> {
        fits("a value", value.len(), VALUE_BYTES_MAX)?;
        self.change(space, key, Some(value))
    }

    /// Removes `key`, whether it exists or not.
    ///
    /// # Errors
    /// Returns [`ViewError::TooLarge`] above [`KEY_BYTES_MAX`] or the largest size of the set. The changes are
    /// then unchanged.
    pub fn remove(&mut self, space: u8, key: &[u8]) -> Result<(), ViewError> {
        self.change(space, key, None)
    }

    fn change(&mut self, space: u8, key: &[u8], value: Option<&[u8]>) -> Result<(), ViewError> {
        fits("a key", key.len(), KEY_BYTES_MAX)?;
        let place = place(space, key);
        let before = self.by_key.get(&place[..]).map_or(0, |old| weight(&place, old.as_deref()));
        let bytes = self.bytes - before + weight(&place, value);
        fits("a set of changes", bytes, self.limit)?;
        self.bytes = bytes;
        self.by_key.insert(place.into(), value.map(Bytes::copy_from_slice));
        Ok(())
    }

    /// Adds later changes, which replace earlier ones of the same keys.
    ///
    /// # Errors
    /// Returns [`ViewError::TooLarge`] if both together are above the largest size of the set. The changes are then
    /// unchanged.
    pub fn append(&mut self, later: Self) -> Result<(), ViewError> {
        fits("a set of changes", self.bytes + later.bytes, self.limit)?;
        self.bytes += later.bytes;
        for (place, value) in later {
            let length = place.len();
            if let Some(old) = self.by_key.insert(place, value) {
                self.bytes -= length + old.map_or(0, |old| old.len()) + CHANGE_BYTES;
            }
        }
        Ok(())
    }

    /// Returns the change of `key`: `Some(None)` is its removal, `None` means that it is not changed.
    #[must_use]
    pub fn get(&self, space: u8, key: &[u8]) -> Option<Option<&Bytes>> {
        self.by_key.get(&place(space, key)[..]).map(Option::as_ref)
    }

    /// Returns the approximate size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of changed keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Returns whether it is time to commit. More changes are accepted, up to [`CHANGES_BYTES_MAX`],
    /// so that related changes are never split.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= CHANGES_BYTES_SOFT
    }

    /// Returns the change at this place. For engines.
    #[must_use]
    pub fn at(&self, place: &[u8]) -> Option<&Option<Bytes>> {
        self.by_key.get(place)
    }

    /// Returns the places and their new values in order. For engines.
    pub fn iter(&self) -> btree_map::Iter<'_, Bytes, Option<Bytes>> {
        self.by_key.iter()
    }

    /// Returns the changes within a range of [`places`]. For engines.
    pub fn range(&self, range: &Range) -> btree_map::Range<'_, Bytes, Option<Bytes>> {
        self.by_key.range::<[u8], _>(borrowed(range))
    }
}

impl IntoIterator for Changes {
    type Item = (Bytes, Option<Bytes>);
    type IntoIter = btree_map::IntoIter<Bytes, Option<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_key.into_iter()
    }
}

fn fits(what: &'static str, bytes: usize, limit: usize) -> Result<(), ViewError> {
    if bytes <= limit { Ok(()) } else { Err(ViewError::TooLarge { what, bytes, limit }) }
}

fn weight(place: &[u8], value: Option<&[u8]>) -> usize {
    place.len() + value.map_or(0, <[u8]>::len) + CHANGE_BYTES
}

/// Returns the place of a key among those of all spaces: its space, and the key. For engines.
#[must_use]
pub fn place(space: u8, key: &[u8]) -> Vec<u8> {
    [&[space], key].concat()
}

/// The places between two bounds. It is never empty or inverted, so a map does not panic on it.
pub type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Returns the places of the keys of a space within bounds, or `None` if there can be no such key. For
/// engines.
#[must_use]
pub fn places(space: u8, (lower, upper): (Bound<&[u8]>, Bound<&[u8]>)) -> Option<Range> {
    let start = match lower {
        Bound::Unbounded => Bound::Included(vec![space]),
        bound => bound.map(|key| place(space, key)),
    };
    let end = match (upper, space) {
        (Bound::Unbounded, u8::MAX) => Bound::Unbounded,
        (Bound::Unbounded, _) => Bound::Excluded(vec![space + 1]),
        (bound, _) => bound.map(|key| place(space, key)),
    };
    let some = match (&start, &end) {
        (Bound::Included(start), Bound::Included(end)) => start <= end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end)) => start < end,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
    };
    some.then_some((start, end))
}

/// Returns the range as borrowed bounds. For engines.
#[must_use]
pub fn borrowed(range: &Range) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

/// Returns the text of a place for an error. For engines.
#[must_use]
pub fn text(place: &[u8]) -> String {
    let (space, key) = place.split_first().unwrap_or((&0, &[]));
    format!("key {} of space {space}", key.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_changes_replace_earlier_ones_and_count_once() {
        let (mut one_by_one, mut together, mut later) =
            (Changes::new(), Changes::new(), Changes::new());
        for changes in [&mut one_by_one, &mut together] {
            changes.put(1, b"a", b"some").unwrap();
            changes.put(1, b"b", b"more").unwrap();
            changes.remove(2, b"c").unwrap();
        }
        for changes in [&mut one_by_one, &mut later] {
            changes.put(1, b"a", b"another").unwrap();
            changes.remove(1, b"b").unwrap();
            changes.put(2, b"c", b"one").unwrap();
            changes.put(3, b"d", b"").unwrap();
        }
        together.append(later).unwrap();
        assert!(together.iter().eq(one_by_one.iter()));
        assert_eq!(together.bytes(), one_by_one.bytes());
    }

    #[test]
    fn what_does_not_fit_together_changes_nothing() {
        let (mut changes, mut later) = (Changes::limited(40), Changes::new());
        changes.put(1, b"a", b"some").unwrap();
        later.put(1, b"b", b"much more").unwrap();
        assert!(changes.append(later).is_err());
        assert_eq!((changes.len(), changes.bytes()), (1, 2 + 4 + CHANGE_BYTES));
    }
}
