//! Changes of a view table: what the next commit does, all of it or nothing.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use bytes::Bytes;

use super::error::ViewError;

/// The longest key. Keys are found in every node of a tree, so short ones make everything faster.
pub const KEY_BYTES_MAX: usize = 1600;

/// The largest value.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Where changes are full: enough for a thousand rows, and little enough to be written in a few
/// milliseconds.
pub const CHANGES_BYTES_SOFT: usize = 160 * 1024;

/// The most that changes can hold. They are in memory, and written twice, until they are applied.
pub const CHANGES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a change counts beside its key and value.
const CHANGE_BYTES: usize = 16;

/// What a table's next commit does: all of it or nothing. A later change of a key replaces an
/// earlier one.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// By space and key; no value is a removal.
    by_key: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Changes {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `key` say `value`.
    ///
    /// # Errors
    /// [`ViewError::TooLarge`]: over [`KEY_BYTES_MAX`], [`VALUE_BYTES_MAX`] or
    /// [`CHANGES_BYTES_MAX`]. The changes are what they were.
    pub fn put(&mut self, space: u8, key: &[u8], value: &[u8]) -> Result<(), ViewError> {
        fits("a value", value.len(), VALUE_BYTES_MAX)?;
        self.change(space, key, Some(value))
    }

    /// Has `key` say nothing, whether it said something or not.
    ///
    /// # Errors
    /// [`ViewError::TooLarge`]: over [`KEY_BYTES_MAX`] or [`CHANGES_BYTES_MAX`]. The changes are
    /// what they were.
    pub fn remove(&mut self, space: u8, key: &[u8]) -> Result<(), ViewError> {
        self.change(space, key, None)
    }

    fn change(&mut self, space: u8, key: &[u8], value: Option<&[u8]>) -> Result<(), ViewError> {
        fits("a key", key.len(), KEY_BYTES_MAX)?;
        let place = place(space, key);
        let before = self.by_key.get(&place[..]).map_or(0, |old| weight(&place, old.as_deref()));
        let bytes = self.bytes - before + weight(&place, value);
        fits("a set of changes", bytes, CHANGES_BYTES_MAX)?;
        self.bytes = bytes;
        self.by_key.insert(place.into(), value.map(Bytes::copy_from_slice));
        Ok(())
    }

    /// What the next commit does to `key`: `Some(None)` is its removal, `None` nothing.
    #[must_use]
    pub fn get(&self, space: u8, key: &[u8]) -> Option<Option<&Bytes>> {
        self.by_key.get(&place(space, key)[..]).map(Option::as_ref)
    }

    /// How much there is to write, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys are changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether it is time to commit. More is accepted, up to [`CHANGES_BYTES_MAX`], so that what
    /// belongs together is never split.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= CHANGES_BYTES_SOFT
    }

    /// What happens to the key at this place.
    pub fn at(&self, place: &[u8]) -> Option<&Option<Bytes>> {
        self.by_key.get(place)
    }

    /// Places and values, in order.
    pub fn iter(&self) -> btree_map::Iter<'_, Bytes, Option<Bytes>> {
        self.by_key.iter()
    }

    /// Those within a range that [`places`] made.
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

/// Where a key stands among those of all spaces.
pub fn place(space: u8, key: &[u8]) -> Vec<u8> {
    [&[space], key].concat()
}

/// The places between two bounds; never one a map would panic on.
pub type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The places of the keys of a space within bounds; none when there can be no such key.
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

pub fn borrowed(range: &Range) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

/// How a key is named in an error.
pub fn text(place: &[u8]) -> String {
    let (space, key) = place.split_first().unwrap_or((&0, &[]));
    format!("key {} of space {space}", key.escape_ascii())
}
