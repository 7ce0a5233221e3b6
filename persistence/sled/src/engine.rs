//! sled, with what it takes to make its promises true.

mod group;

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use actuarius_persistence::files::{self, OnFile, lock};
use actuarius_persistence::{OpenError, StoreFailure};
use sled::{Db, IVec};

use crate::error::{self, engine_io};
use crate::options::SledOptions;
use crate::release::Release;

pub(super) use group::{Group, KEY_OVERHEAD, SYNC_BYTES_MAX};

/// How often sled's own thread writes, cleans segments and syncs, in milliseconds.
///
/// Cleaning happens nowhere else, so it cannot be turned off. It moves pages for up to half of this
/// time before it syncs, and finds as much to move as was written since it last ran; both must stay
/// far from the megabyte between two syncs at which sled loses data. Its failure to sync is only
/// logged by sled, but the next commit syncs the same file and fails too.
const CLEAN_EVERY_MS: u64 = 20;

/// The size of sled's segments, eight times its default.
///
/// What lies between two real syncs must not reach into a third segment: when a power cut keeps a
/// later one and loses one in the middle, sled takes all of them for torn and wipes even the first,
/// with the pages it held before. A group of 256 KB in large values makes sled write 1.3 MB, since
/// leaves are split and rewritten on the way, and cleaning comes on top.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

const _: () = assert!(
    // What a full group makes sled write, five times its bytes, and as much again for cleaning.
    SEGMENT_BYTES >= 10 * SYNC_BYTES_MAX
);

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

/// The engine, and what waits until it has let go of its files: in this order, so that the engine is
/// dropped first when anything fails later on.
pub(super) fn open_engine(
    log: &Path,
    options: &SledOptions,
) -> Result<(Release, Engine), OpenError> {
    remove_unfinished_snapshots(log)?;
    let db_path = log.join("db");
    let mut file_options = File::options();
    let file = file_options.read(true).write(true).open(&db_path).on(&db_path)?;
    // What a killed process wrote may be in the system's cache only, and sled is about to store a
    // snapshot that refers to it.
    file.sync_all().on(&db_path)?;
    sync_blobs(log)?;
    let db = lock::retry(options.lock_wait, || open_sled(log, options, Some(CLEAN_EVERY_MS)))?;
    let release = Release(db_path);
    let engine = Engine::new(db, file, log).on(log)?;
    Ok((release, engine))
}

/// A snapshot sled was writing when it was killed makes every later open fail. A finished one is
/// never removed: without it, sled may take damage for an empty store.
fn remove_unfinished_snapshots(log: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(log).on(log)? {
        let path = entry.on(log)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).on(&path)?;
        }
    }
    files::sync(log)
}

/// There should be none. If there are, commits stopped when they appeared; what is in them is
/// checked like everything else, and must not get lost any more.
fn sync_blobs(log: &Path) -> Result<(), OpenError> {
    let blobs = log.join("blobs");
    if blobs.exists() { files::sync_tree(&blobs) } else { Ok(()) }
}

/// sled panics on some kinds of damage; that is an error here. Without `clean_every_ms` it has no
/// thread of its own, whose failures would go unheard.
pub(super) fn open_sled(
    log: &Path,
    options: &SledOptions,
    clean_every_ms: Option<u64>,
) -> Result<Db, OpenError> {
    let config = sled::Config::new()
        .path(log)
        .cache_capacity(options.cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(clean_every_ms);
    let path = log.to_owned();
    match panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(OpenError::Locked { path })
        }
        Ok(Err(sled::Error::Io(source))) => Err(OpenError::Io { path, source }),
        Ok(Err(error)) => Err(OpenError::Damaged { path, what: error.to_string() }),
        Err(panic) => Err(OpenError::Damaged { path, what: error::panic_text(&*panic) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::VALUE_MAX;
    use actuarius_persistence::test_rng::TestRng;

    /// Values of 7 KB once made files in `blobs/`, and the alarm stopped the writer: a leaf with
    /// fewer than four values is merged into its neighbour, which may be full already.
    #[test]
    fn no_leaf_becomes_a_file_whatever_is_put_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open_sled(directory.path(), &SledOptions::default(), Some(20)).expect("opens");
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
