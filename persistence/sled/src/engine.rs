//! sled, opened and synced so that durable data survives a power cut.

pub(crate) mod accounting;
mod damage;
pub(crate) mod erased;
mod group;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod measuring;

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use actuarius_persistence::files::{self, OnFile, lock};
use actuarius_persistence::{OpenError, StoreFailure};
use sled::{Db, IVec};

use crate::error::{catch_panic, engine_io};
use crate::options::SledOptions;
use crate::release::Release;

use accounting::SEGMENT_BYTES;
pub(super) use damage::beside_damage;
use damage::until_error;
pub(super) use group::Group;

/// How often sled's own thread writes, cleans segments and syncs, in milliseconds.
///
/// Only this thread cleans segments, so it cannot be turned off. It moves pages for up to half of this
/// time before it syncs, and as many as were written since its last run. Both must stay far below the
/// megabyte between two syncs at which sled loses data. sled only logs a failed sync of this thread, but
/// the next commit syncs the same file and fails, too.
const CLEAN_EVERY_MS: u64 = 20;

pub(super) struct Engine {
    /// `None` only while it is closed.
    db: Option<Db>,
    /// A handle of our own to sled's file, because sled's flush does not reach the disk.
    file: File,
    blobs: PathBuf,
    blobs_changed: SystemTime,
    /// Nothing is synced after a failure, because the content of the disk is unknown then.
    has_failed: AtomicBool,
}

impl Engine {
    pub(super) fn new(db: Db, file: File, directory: &Path) -> io::Result<Self> {
        let blobs = directory.join("blobs");
        let blobs_changed = fs::metadata(&blobs)?.modified()?;
        Ok(Self { db: Some(db), file, blobs, blobs_changed, has_failed: AtomicBool::new(false) })
    }

    /// Returns sled, for writes that do not need a group to be atomic. See [`Self::make_durable`].
    pub(super) fn db(&self) -> &Db {
        self.db.as_ref().expect("it is taken only when the engine is dropped")
    }

    pub(super) fn get(&self, key: &[u8]) -> sled::Result<Option<IVec>> {
        beside_damage(|| self.db().get(key))
    }

    /// Returns the last key and value at or before `key`.
    pub(super) fn floor(&self, key: &[u8]) -> sled::Result<Option<(IVec, IVec)>> {
        beside_damage(|| self.db().range::<&[u8], _>(..=key).next_back().transpose())
    }

    /// Returns whether a change of `key` can be made. It cannot if its page is damaged.
    pub(super) fn is_writable(&self, key: &[u8]) -> bool {
        damage::is_readable(self.db(), key)
    }

    /// Returns whether `key` can be removed. It cannot if its page or the one before is damaged.
    pub(super) fn is_removable(&self, key: &[u8]) -> bool {
        damage::is_removable(self.db(), key)
    }

    /// Returns all keys and values from `start` on. Ends after the first error, as all scans.
    pub(super) fn from(
        &self,
        start: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + use<> {
        until_error(self.db().range::<Vec<u8>, _>((start, Bound::Unbounded)))
    }

    /// Returns all keys that begin with `prefix`, with their values.
    pub(super) fn keys_and_values(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + use<> {
        until_error(self.db().scan_prefix(prefix))
    }

    /// Returns all keys that begin with `prefix`, with their values, from the last one on.
    pub(super) fn backwards(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = sled::Result<(IVec, IVec)>> + use<> {
        until_error(self.db().scan_prefix(prefix).rev())
    }

    /// Returns all keys that begin with `prefix`.
    pub(super) fn keys(&self, prefix: &[u8]) -> impl Iterator<Item = sled::Result<IVec>> + use<> {
        until_error(self.db().scan_prefix(prefix).keys())
    }

    /// Stores the whole group. If a page of it is damaged, a part may be stored. The group survives a power cut when this returns.
    pub(super) fn sync(&self, group: Group) -> Result<(), StoreFailure> {
        let failed = |error| StoreFailure::new("writing a group", engine_io(error));
        #[cfg(all(test, target_os = "linux"))]
        measuring::accounted(group.written());
        let (apply, is_possible) = (|| group.apply(self.db()), || group.is_possible(self.db()));
        let applied = damage::beside_damage_of_others(apply, is_possible);
        applied.map_err(failed).inspect_err(|_| self.fail())?;
        self.make_durable()
    }

    /// Syncs all earlier writes. They survive a power cut when this returns.
    pub(super) fn make_durable(&self) -> Result<(), StoreFailure> {
        self.sync_all().inspect_err(|_| self.fail())
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn sync_all(&self) -> Result<(), StoreFailure> {
        let failed = |error| StoreFailure::new("writing a group", engine_io(error));
        self.db().flush().map_err(failed)?;
        self.file.sync_data().map_err(|error| StoreFailure::new("syncing the log", error))?;
        #[cfg(all(test, target_os = "linux"))]
        measuring::synced();
        self.check_blobs().map_err(|error| StoreFailure::new("checking the log", error))
    }

    /// Reports a file in `blobs/`. sled never syncs those files, and the limited size of our values
    /// prevents them.
    fn check_blobs(&self) -> io::Result<()> {
        if fs::metadata(&self.blobs)?.modified()? == self.blobs_changed {
            return Ok(());
        }
        Err(io::Error::other("sled wrote a file that it does not sync"))
    }
}

impl Drop for Engine {
    /// sled writes pages that it has moved when it is closed, and does not report a failure. Everything
    /// acknowledged was synced before, but an operator should know before the store is opened again.
    ///
    /// After a failure nothing is synced again here. sled itself writes and syncs once more, which cannot be
    /// prevented, and panics if that fails.
    fn drop(&mut self) {
        let has_failed = self.has_failed.load(Ordering::Relaxed);
        let synced = if has_failed { Ok(()) } else { self.make_durable() };
        let db = self.db.take();
        let closed = catch_panic(|| drop(db));
        let synced = synced.map_err(|failure| failure.to_string());
        if let Err(failure) = synced.and(closed) {
            tracing::error!(
                target: "actuarius::store",
                %failure,
                "closing the store failed; back it up or verify it before it is written to again"
            );
        }
    }
}

/// Creates sled with its first key and value. The caller syncs the files.
pub(super) fn create_engine(
    log: &Path,
    options: &SledOptions,
    (key, value): (&[u8], Vec<u8>),
) -> Result<(), OpenError> {
    let _release = Release(log.join("db"));
    let db = open_sled(log, options, None)?;
    let written = db.insert(key, value).and_then(|_| db.flush());
    written.map(|_| ()).map_err(engine_io).on(log)
}

/// Opens the engine, and returns it with the guard that waits until sled has released its file. They are
/// in this order, so that the engine is dropped first if a later step fails.
pub(super) fn open_engine(
    log: &Path,
    options: &SledOptions,
) -> Result<(Release, Engine), OpenError> {
    #[cfg(all(test, target_os = "linux"))]
    if measuring::is_without_thread() {
        return open_engine_cleaned(log, options, None);
    }
    open_engine_cleaned(log, options, Some(CLEAN_EVERY_MS))
}

/// Opens the engine to look at it. Without sled's own thread, nothing is moved.
pub(super) fn open_engine_to_look(
    log: &Path,
    options: &SledOptions,
) -> Result<(Release, Engine), OpenError> {
    open_engine_cleaned(log, options, None)
}

fn open_engine_cleaned(
    log: &Path,
    options: &SledOptions,
    clean_every_ms: Option<u64>,
) -> Result<(Release, Engine), OpenError> {
    remove_unfinished_snapshots(log)?;
    let db_path = log.join("db");
    let mut file_options = File::options();
    let file = file_options.read(true).write(true).open(&db_path).on(&db_path)?;
    // The last writes of a killed process may be in the system's cache only, and sled is about to store
    // a snapshot that refers to them.
    file.sync_all().on(&db_path)?;
    sync_blobs(log)?;
    let db = lock::retry(options.lock_wait, || open_sled(log, options, clean_every_ms))?;
    let release = Release(db_path);
    let engine = Engine::new(db, file, log).on(log)?;
    Ok((release, engine))
}

/// Removes snapshots that sled was writing when it was killed, because they make every later open fail.
/// Finished snapshots are never removed: without them, sled may treat damage as an empty store.
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

/// Syncs the files in `blobs/`. There should be none; if there are, commits stopped when they appeared.
/// Their content is checked like everything else, and must not be lost from now on.
fn sync_blobs(log: &Path) -> Result<(), OpenError> {
    let blobs = log.join("blobs");
    if blobs.exists() { files::sync_tree(&blobs) } else { Ok(()) }
}

/// Opens sled, and converts its panics on damage to errors. Without `clean_every_ms` sled has no thread
/// of its own, whose failures would not be reported.
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
    match catch_panic(|| config.open()) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(OpenError::Locked { path })
        }
        Ok(Err(sled::Error::Io(source))) => Err(OpenError::Io { path, source }),
        Ok(Err(error)) => Err(OpenError::Damaged { path, what: error.to_string() }),
        Err(what) => Err(OpenError::Damaged { path, what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::VALUE_MAX;
    use actuarius_persistence::test_rng::TestRng;

    /// Values of 7 KB once became files in `blobs/`, which stopped the writer: sled merges a leaf with
    /// fewer than four values into its neighbour, even if that is full.
    #[test]
    fn no_leaf_becomes_a_file_after_random_puts_and_removals() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open_sled(directory.path(), &SledOptions::default(), Some(20)).expect("opens");
        let file = File::options().write(true).open(directory.path().join("db")).expect("opens");
        let engine = Engine::new(db, file, directory.path()).expect("its files exist");
        let mut rng = TestRng::new(1);
        for round in 0..300 {
            let mut group = Group::default();
            for _ in 0..30 {
                group.put_in_order(&rng.below(1_000).to_be_bytes(), vec![7; VALUE_MAX]);
            }
            let first = rng.below(1_000);
            (first..first + 40).for_each(|key| group.remove_part(&key.to_be_bytes()));
            engine.sync(group).unwrap_or_else(|failure| panic!("round {round}: {failure}"));
        }
    }
}
