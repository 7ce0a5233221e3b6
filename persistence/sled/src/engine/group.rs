//! Groups: changes that are stored with one sync, and the limits of what lies between two syncs.

use sled::{Db, IVec};

/// The most bytes given to sled between two real syncs.
///
/// sled reuses a segment once its pages have been rewritten to another one, and assumes that those are
/// on disk when they are not. In 2,400 simulated power cuts each, 0.9 MB between syncs lost nothing and
/// 1.9 MB lost everything. This limit leaves a margin for what sled writes on its own.
pub(crate) const SYNC_BYTES_MAX: usize = 256 * 1024;

/// The approximate overhead of sled per key, in bytes.
pub(crate) const KEY_OVERHEAD: usize = 8;

/// Changes that are stored with one sync. A later change of a key replaces an earlier one.
#[derive(Default)]
pub(crate) struct Group {
    /// The only change, if it is a put. It needs no batch, which would cost sled one more write to disk.
    only: Option<(IVec, IVec)>,
    batch: sled::Batch,
    changes: usize,
    bytes: usize,
}

impl Group {
    pub(crate) fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.count(key.len() + value.len());
        if self.changes == 1 {
            self.only = Some((key.into(), value.into()));
        } else {
            self.batch().insert(key, value);
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.count(key.len());
        self.batch().remove(key);
    }

    /// Returns the batch, which includes the first put.
    fn batch(&mut self) -> &mut sled::Batch {
        if let Some((key, value)) = self.only.take() {
            self.batch.insert(key, value);
        }
        &mut self.batch
    }

    /// Counts additional bytes, for changes that make sled write more than keys and values.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    fn count(&mut self, bytes: usize) {
        self.changes += 1;
        self.bytes += bytes + KEY_OVERHEAD;
    }

    pub(super) fn apply(self, db: &Db) -> sled::Result<()> {
        match self.only {
            Some((key, value)) => db.insert(key, value).map(|_before| ()),
            None => db.apply_batch(self.batch),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns whether `bytes` more fit.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= SYNC_BYTES_MAX
    }
}
