//! sled, with what it takes to make its promises true.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sled::{Db, IVec};

use super::error::engine_io;
use actuarius_persistence::StoreFailure;

/// The most bytes given to sled between two real syncs.
///
/// sled reuses a segment once the pages in it have been rewritten elsewhere, and believes those to
/// be on disk when they are not. In 2,400 simulated power cuts each, 0.9 MB between syncs lost
/// nothing and 1.9 MB lost everything; this leaves a margin for what sled writes on its own.
pub(super) const SYNC_BYTES_MAX: usize = 256 * 1024;

/// What sled keeps for itself per key, roughly.
pub(super) const KEY_OVERHEAD: usize = 8;

pub(super) struct Engine {
    db: Db,
    /// Our own handle on sled's file, because sled's flush does not reach the disk's platter.
    file: File,
    blobs: PathBuf,
    blobs_changed: SystemTime,
    /// Nothing is synced behind a failure: what the disk holds is not known any more.
    has_failed: AtomicBool,
}

impl Engine {
    pub(super) fn new(db: Db, file: File, directory: &Path) -> io::Result<Self> {
        let blobs = directory.join("blobs");
        let blobs_changed = fs::metadata(&blobs)?.modified()?;
        Ok(Self { db, file, blobs, blobs_changed, has_failed: AtomicBool::new(false) })
    }

    /// For what becomes whole in another way than as a group: see [`Self::make_durable`].
    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    pub(super) fn get(&self, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.db.get(key)
    }

    /// The last key and value at or before `key`.
    pub(super) fn floor(&self, key: &[u8]) -> sled::Result<Option<(IVec, IVec)>> {
        self.db.range::<&[u8], _>(..=key).next_back().transpose()
    }

    /// All keys and values from `start` on.
    pub(super) fn from(
        &self,
        start: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + use<> {
        self.db.range::<Vec<u8>, _>((start, Bound::Unbounded))
    }

    /// All keys that begin with `prefix`, with their values.
    pub(super) fn keys_and_values(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + use<> {
        self.db.scan_prefix(prefix)
    }

    /// All keys that begin with `prefix`.
    pub(super) fn keys(&self, prefix: &[u8]) -> impl Iterator<Item = sled::Result<IVec>> + use<> {
        self.db.scan_prefix(prefix).keys()
    }

    /// Stores the group: when this returns, it survives a power cut, whole.
    pub(super) fn sync(&self, group: Group) -> Result<(), StoreFailure> {
        let failed = |error| StoreFailure::new("writing a group", engine_io(error));
        group.apply(&self.db).map_err(failed).inspect_err(|_| self.fail())?;
        self.make_durable()
    }

    /// When this returns, all that was written before survives a power cut.
    pub(super) fn make_durable(&self) -> Result<(), StoreFailure> {
        self.sync_all().inspect_err(|_| self.fail())
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn sync_all(&self) -> Result<(), StoreFailure> {
        let failed = |error| StoreFailure::new("writing a group", engine_io(error));
        self.db.flush().map_err(failed)?;
        self.file.sync_data().map_err(|error| StoreFailure::new("syncing the log", error))?;
        self.check_blobs().map_err(|error| StoreFailure::new("checking the log", error))
    }

    /// sled never syncs what it puts into `blobs/`, so nothing may ever appear there. The size of
    /// our values sees to that; this is the alarm for the case that it does not.
    fn check_blobs(&self) -> io::Result<()> {
        if fs::metadata(&self.blobs)?.modified()? == self.blobs_changed {
            return Ok(());
        }
        Err(io::Error::other("sled wrote a file it does not sync"))
    }
}

impl Drop for Engine {
    /// sled writes what it has moved around when it is closed, and tells nobody if that fails. All that
    /// was acknowledged is synced long since; but who opens the store again should know.
    fn drop(&mut self) {
        if self.has_failed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(failure) = self.make_durable() {
            tracing::error!(
                target: "actuarius::store",
                %failure,
                "closing the store failed; before it is written to again, have a backup or verify it"
            );
        }
    }
}

/// What is stored with one sync. A later change of a key replaces the earlier.
#[derive(Default)]
pub(super) struct Group {
    /// The only value, while there is one. It needs no batch, which would cost sled one more write
    /// to disk.
    only: Option<(IVec, IVec)>,
    batch: sled::Batch,
    changes: usize,
    bytes: usize,
}

impl Group {
    pub(super) fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.count(key.len() + value.len());
        if self.changes == 1 {
            self.only = Some((key.into(), value.into()));
        } else {
            self.batch().insert(key, value);
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.count(key.len());
        self.batch().remove(key);
    }

    /// The batch, with what came before.
    fn batch(&mut self) -> &mut sled::Batch {
        if let Some((key, value)) = self.only.take() {
            self.batch.insert(key, value);
        }
        &mut self.batch
    }

    /// Counts more than the bytes of keys and values, for changes that make sled write more.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    fn count(&mut self, bytes: usize) {
        self.changes += 1;
        self.bytes += bytes + KEY_OVERHEAD;
    }

    fn apply(self, db: &Db) -> sled::Result<()> {
        match self.only {
            Some((key, value)) => db.insert(key, value).map(|_before| ()),
            None => db.apply_batch(self.batch),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether `bytes` more fit.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= SYNC_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::VALUE_MAX;
    use crate::{SledOptions, open};
    use actuarius_persistence::test_rng::TestRng;

    /// Values of 7 KB once made files in `blobs/`, and the alarm stopped the writer: a leaf with
    /// fewer than four values is merged into its neighbour, which may be full already.
    #[test]
    fn no_leaf_becomes_a_file_whatever_is_put_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let db =
            open::open_sled(directory.path(), &SledOptions::default(), Some(20)).expect("opens");
        let file = File::options().write(true).open(directory.path().join("db")).expect("opens");
        let engine = Engine::new(db, file, directory.path()).expect("its files are there");
        let mut rng = TestRng::new(1);
        for round in 0..300 {
            let mut group = Group::default();
            for _ in 0..30 {
                group.put(&rng.below(1_000).to_be_bytes(), vec![7; VALUE_MAX]);
            }
            let first = rng.below(1_000);
            (first..first + 40).for_each(|key| group.remove(&key.to_be_bytes()));
            engine.sync(group).unwrap_or_else(|failure| panic!("round {round}: {failure}"));
        }
    }
}
