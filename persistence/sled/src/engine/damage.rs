//! Pages of sled that cannot be read: which keys they concern, and how scans end at them.

use sled::Db;

use crate::error::catch_panic;

/// Returns whether the page that has `key`, or would have it, can be read. A page that cannot be read cannot
/// be written either, and a group with one change in it fails as a whole.
pub(crate) fn is_readable(db: &Db, key: &[u8]) -> bool {
    matches!(catch_panic(|| db.contains_key(key)), Ok(Ok(_)))
}

/// The most keys that a leaf has, with those of a small one that was merged into it.
const LEAF_KEYS: usize = 20;

/// Returns whether `key` can be removed: its page and the one before can be read. sled merges a leaf with few keys
/// into the one before. If it cannot, nothing below the node above is accessible any more: up to 256 leaves.
pub(crate) fn is_removable(db: &Db, key: &[u8]) -> bool {
    let before = || db.range(..=key).rev().take(LEAF_KEYS).all(|found| found.is_ok());
    is_readable(db, key) && catch_panic(before).unwrap_or(false)
}

/// Ends a scan after its first error. sled's own scans return the error of a damaged page without an end.
pub(super) fn until_error<T>(
    scan: impl Iterator<Item = sled::Result<T>>,
) -> impl Iterator<Item = sled::Result<T>> {
    scan.scan(false, |has_failed, found| {
        let is_after = std::mem::replace(has_failed, found.is_err());
        (!is_after).then_some(found)
    })
}
