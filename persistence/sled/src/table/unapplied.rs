//! [`Unapplied`]: the changes that are in the journal, and not in sled.

use std::collections::{BTreeMap, btree_map};

use actuarius_persistence::table::changes::{self, Changes, Range};
use bytes::Bytes;

/// The changes of the batches in the journal, the newest of each row. They are durable, and take precedence over sled,
/// which may have any part of them.
#[derive(Debug, Default)]
pub(super) struct Unapplied {
    by_place: BTreeMap<Bytes, Option<Bytes>>,
}

impl Unapplied {
    pub(super) fn of(batch: Changes) -> Self {
        Self { by_place: batch.into_iter().collect() }
    }

    /// Adds the changes of the next batch.
    pub(super) fn add(&mut self, batch: Self) {
        if self.by_place.is_empty() {
            self.by_place = batch.by_place;
        } else {
            self.by_place.extend(batch.by_place);
        }
    }

    /// Returns the change of the row at a place.
    pub(super) fn at(&self, place: &[u8]) -> Option<&Option<Bytes>> {
        self.by_place.get(place)
    }

    /// Returns all changes, in the order of their places.
    pub(super) fn iter(&self) -> btree_map::Iter<'_, Bytes, Option<Bytes>> {
        self.by_place.iter()
    }

    pub(super) fn range(&self, range: &Range) -> btree_map::Range<'_, Bytes, Option<Bytes>> {
        self.by_place.range::<[u8], _>(changes::borrowed(range))
    }
}
