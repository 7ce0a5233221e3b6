//! The account of what sled writes for a change. Every writer of the crate counts with it.
//!
//! sled appends each change to its log. After every tenth change of a leaf it writes the whole leaf again,
//! with up to 20 unchanged values of 5 KiB, and when a leaf splits or merges also the node above it. So a
//! removal of 30 bytes may write 90 KB. What lies between two syncs is bounded in bytes of sled's log, not
//! in bytes that were given to sled.

use sled::{Db, IVec};

use super::damage;
use crate::keys::VALUE_MAX;

/// The most bytes that our changes make sled write between two real syncs, by this account.
///
/// What is written between two syncs must not reach into a third segment. A segment has 4 MiB. In the
/// meantime, sled cleans at most one segment, and moves at most half of it: 2 MiB. The rest is a margin.
pub(crate) const WRITTEN_MAX: usize = 1280 * 1024;

/// The size of sled's segments, eight times its default.
///
/// If a power cut keeps a later segment and loses one in the middle, sled treats all of them as torn and
/// erases even the first, with the pages it contained before.
pub(crate) const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

const _: () = assert!(
    // Our changes, as much again for an account that is wrong, and half a segment of cleaning.
    WRITTEN_MAX + WRITTEN_MAX / 2 + SEGMENT_BYTES / 2 <= SEGMENT_BYTES
);

/// How many keys a leaf has at most before it is split.
const LEAF_KEYS: usize = 17;

/// The bytes of a leaf that has as many of the largest values as fit.
pub(crate) const LEAF_BYTES_MAX: usize = LEAF_KEYS * VALUE_MAX;

/// The changes of a leaf after which sled has certainly not written it twice.
const CHANGES_PER_LEAF: usize = 8;

/// The approximate overhead of sled per change, in bytes.
const CHANGE_HEAD: usize = 32;

/// How many bytes are written for each byte of a key. One change in eight splits a leaf, and sled writes
/// the node above it whole, with up to 320 keys at which leaves begin.
const KEY_WEIGHT: usize = 40;

/// The most that one change of a value of at most [`VALUE_MAX`] bytes counts, if its key is short.
pub(crate) const CHANGE_MAX: usize = LEAF_BYTES_MAX + VALUE_MAX + 4 * 1024;

/// Returns what a put counts whose keys are put in order, as those of new chunks and of the parts of a
/// large value: 3.3 times its bytes were measured for large values, and 4.8 times for small ones.
pub(crate) const fn in_order(key: usize, value: usize) -> usize {
    5 * (key + value + 8)
}

/// Returns what the removal of a part of a large value counts, after the parts beside it. The leaves
/// around it are full of large values: 8.2 KB were measured.
pub(crate) const fn removed_part(key: usize) -> usize {
    changed(key, 0) + LEAF_BYTES_MAX / CHANGES_PER_LEAF
}

/// Returns what a change of a row of a table counts. Rows are spread over the whole tree, and have at most
/// 2,000 bytes: 1.5 KB for a small change between large rows were measured.
///
/// The nodes above the leaves repeat keys up to the common prefix of neighbours. When keys counted once,
/// rows with a common prefix of 1,000 bytes made sled write 5.8 MB between two syncs. Now it writes 2.4 MB,
/// including its cleaning.
pub(crate) const fn row(key: usize, value: usize) -> usize {
    5 * (key + value + 8 + 240 + key.saturating_sub(24) * 6)
}

const fn changed(key: usize, value: usize) -> usize {
    key + value + CHANGE_HEAD + KEY_WEIGHT * key
}

/// The leaf around a key, as far as it is known from the keys after it.
pub(super) struct Leaf {
    first: IVec,
    /// The first key that is certainly in another leaf.
    end: Option<IVec>,
    bytes: usize,
    changes: usize,
    pub(super) is_readable: bool,
}

impl Leaf {
    /// Looks at the values after `key`. What cannot be read counts as large.
    pub(super) fn around(db: &Db, key: &[u8]) -> Self {
        let (mut bytes, mut count, mut end) = (0, 0, None);
        for stored in db.range(key..).take(LEAF_KEYS) {
            let Ok((found, value)) = stored else {
                return Self::of_unknown_size(db, key);
            };
            bytes += found.len() + value.len();
            count += 1;
            end = (count == LEAF_KEYS).then_some(found);
        }
        // Near the end of the tree, the values before are taken to be as large as those after.
        let whole = (bytes * LEAF_KEYS).checked_div(count).unwrap_or(LEAF_BYTES_MAX);
        let bytes = whole.min(CHANGE_MAX);
        Self { first: key.into(), end, bytes, changes: 0, is_readable: true }
    }

    /// Returns the leaf of a key that has, or is followed by, a damaged page.
    fn of_unknown_size(db: &Db, key: &[u8]) -> Self {
        let end = Some([key, &[0]].concat().into());
        let is_readable = damage::is_readable(db, key);
        Self { first: key.into(), end, bytes: LEAF_BYTES_MAX, changes: 0, is_readable }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        key >= &self.first[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// Returns what the next change in this leaf counts.
    pub(super) fn next_change(&self, key: usize, value: usize) -> usize {
        let is_written = self.changes.is_multiple_of(CHANGES_PER_LEAF);
        changed(key, value) + if is_written { self.bytes } else { 0 }
    }

    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }
}
