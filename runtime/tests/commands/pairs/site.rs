//! A store with an archive and a backup, what can be done to it, and what must be true of it afterwards.

#![allow(unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::inspection::{self, Lag};
use actuarius::operations::Reuse;
use actuarius::store::archive::{Moving, files as segments};
use actuarius::store::backup::{self, BackupError, TakeOptions, Until};
use actuarius::store::segment::Segment;
use actuarius::store::verify::Verify;
use actuarius::store::{
    Append, AppendOutcome, Batch, Codec, NewCommit, NewSnapshot, PageLimit, Reader, Store,
    StoreFailure, Writer, crash_points, ignore_progress, sled,
};
use actuarius::{Metadata, Position, Runtime, StreamId, Timestamp, Version};
use tempfile::TempDir;

use crate::common::{Event, Ledger};

/// What is done to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Backup,
    /// Archives everything that is still in the log.
    Archive,
    /// Deletes this ledger: ends it, removes it from the log, and purges the archive.
    Delete(&'static str),
    Snapshot,
    Write,
    /// Needs a closed store.
    Compact,
    /// Opens a runtime, which resumes interrupted deletions, and closes it.
    Recover,
}

pub use Operation::{Archive, Backup, Compact, Delete, Recover, Snapshot, Write};

/// The ledger that is never deleted.
const KEPT: &str = "kept";

/// A store with its backup. Its operations share the one writer, as they share the committer of a runtime.
#[derive(Clone)]
pub struct Site {
    directory: Arc<TempDir>,
    open: Arc<Mutex<Option<Store>>>,
}

/// Adds a stage before and after each batch to the writer that all operations share.
struct SharedWriter(Arc<Mutex<Option<Store>>>);

impl Writer for SharedWriter {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let killed = |error| StoreFailure::new("writing", error);
        crash_points::here().map_err(killed)?;
        let done = self.0.lock().unwrap().as_mut().unwrap().writer.commit(batch);
        crash_points::here().map_err(killed)?;
        done
    }

    fn batch_bytes(&self) -> usize {
        4_096
    }
}

fn stream(id: &str) -> StreamId {
    StreamId::new("ledger", id).unwrap()
}

/// A directory in memory, if there is one: thousands of syncs are waited for.
fn fast_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Site {
    /// Three ledgers that are partly in one segment of the archive, and a backup of that.
    pub fn new() -> Self {
        let site = Self { directory: Arc::new(fast_directory()), open: Arc::default() };
        site.reopen();
        for _ in 0..3 {
            site.add(&["first", KEPT, "second"]);
        }
        site.run(Archive).unwrap();
        site.run(Backup).unwrap();
        for _ in 0..3 {
            site.add(&["second", "first", KEPT]);
        }
        site
    }

    /// A site with the same contents.
    pub fn copy(&self) -> Self {
        let site = Self { directory: Arc::new(fast_directory()), open: Arc::default() };
        copy(self.directory.path(), site.directory.path());
        site.reopen();
        site
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn saved(&self) -> PathBuf {
        self.directory.path().join("saved")
    }

    pub fn close(&self) {
        drop(self.open.lock().unwrap().take());
    }

    pub fn reopen(&self) {
        self.close();
        *self.open.lock().unwrap() = Some(sled::open(self.data()).unwrap());
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.open.lock().unwrap().as_ref().unwrap().reader.clone()
    }

    fn store(&self) -> Store {
        Store { reader: self.reader(), writer: Box::new(SharedWriter(self.open.clone())) }
    }

    /// Adds an event to each of these ledgers.
    fn add(&self, ids: &[&str]) {
        let mut store = self.store();
        // Another operation may add to the same ledger at the same time. A killed one adds nothing.
        ids.iter().for_each(|id| while self.try_to_add(&mut store, id) == Some(false) {});
    }

    /// Returns whether the event was stored; `None` if the operation was killed.
    fn try_to_add(&self, store: &mut Store, id: &str) -> Option<bool> {
        let version = store.reader.version(&stream(id)).unwrap();
        let mut append = Append::new(stream(id), version);
        let commit = NewCommit {
            time: Timestamp::from_micros(1),
            command_id: format!("{id} {version}").into(),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push(commit, Codec::Json, &[Event::Added(1)], |_| 1).unwrap();
        let outcomes = store.writer.commit(&Batch { appends: vec![append], ..Batch::default() });
        outcomes.ok().map(|outcomes| outcomes[0].is_ok())
    }

    pub fn run(&self, operation: Operation) -> Result<(), String> {
        match operation {
            Backup => self.back_up(),
            Archive => self.archive(),
            Delete(id) => {
                let (store, id) = (&mut self.store(), stream(id));
                let deleted = inspection::delete(store, &id, Reuse::Never, Lag::Refused);
                deleted.map(drop).map_err(|error| error.to_string())
            }
            Snapshot => self.snapshot(),
            Write => {
                self.add(&[KEPT]);
                Ok(())
            }
            Compact => {
                self.close();
                let compacted = sled::compact(self.data(), |_, _| {});
                if compacted.is_ok() {
                    self.reopen();
                }
                compacted.map(drop).map_err(|error| error.to_string())
            }
            Recover => self.recover(),
        }
    }

    fn back_up(&self) -> Result<(), String> {
        let options = TakeOptions::default().segment_bytes(300);
        match backup::take(&*self.reader(), self.saved(), &options, &mut ignore_progress) {
            // Two at once.
            Err(BackupError::InUse { .. }) => Ok(()),
            taken => taken.map(drop).map_err(|error| error.to_string()),
        }
    }

    fn archive(&self) -> Result<(), String> {
        let mut store = self.store();
        let (reader, archive) = (store.reader.clone(), self.data().join("archive"));
        let all = Box::new(|_: &StreamId| Ok(Some(Version::new(u64::MAX))));
        let mut moving = Moving::new(&*reader, archive, all);
        while let Some(moved) = moving.next_segment().map_err(|error| error.to_string())? {
            for removals in moved.removals.chunks(4) {
                let batch = Batch { removals: removals.to_vec(), ..Batch::default() };
                store.writer.commit(&batch).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<(), String> {
        let mut store = self.store();
        let version = store.reader.version(&stream(KEPT)).unwrap();
        let before = Version::new(version.get() - 1);
        let limit = PageLimit { commits: 1, bytes: 1 };
        let page =
            store.reader.maintenance().read_raw_stream(&stream(KEPT), before, limit).unwrap();
        let position = page.commits[0].last_position();
        let snapshot = NewSnapshot {
            stream: stream(KEPT),
            version,
            position,
            as_of: position,
            // Of another version, so that every recovery reads the events.
            state_version: 9,
            time: Timestamp::from_micros(1),
            payload: vec![7; 9_000].into(),
            keep: 1,
            keep_since: None,
        };
        let batch = Batch { snapshots: vec![snapshot], ..Batch::default() };
        store.writer.commit(&batch).map(drop).map_err(|error| error.to_string())
    }

    fn recover(&self) -> Result<(), String> {
        let wanted = self.reader().version(&stream(KEPT)).unwrap().get();
        self.close();
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(async {
            let runtime = Runtime::open(self.data()).await.unwrap();
            let total = runtime.host::<Ledger>().query(KEPT, |ledger| ledger.total).await.unwrap();
            assert_eq!(total as u64, wanted);
            assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        });
        self.reopen();
        Ok(())
    }

    /// Checks the store: it is whole, its log reads to its head, it has all events of the kept ledger, and
    /// none of those that were deleted, in the log and in the archive.
    pub fn check(&self, kept: u64, deleted: &[&str]) {
        check(&*self.reader(), kept, deleted);
        check_archive(&self.data().join("archive"), deleted);
    }

    /// Takes another run, and checks what is restored of it: all of it, and each earlier run.
    pub fn check_backup(&self, kept: u64, deleted: &[&str]) {
        self.run(Backup).unwrap();
        let runs = backup::verify(self.saved(), &mut ignore_progress).unwrap();
        let end = runs.last().unwrap().to;
        assert_eq!(end, self.reader().maintenance().chain().unwrap());
        let first = runs[0].to.position;
        for (until, deleted, least) in [(Until::End, deleted, kept), (first.into(), &[][..], 3)] {
            let back = fast_directory();
            let restored = sled::restore(self.saved(), back.path(), until, &mut ignore_progress);
            assert_eq!(restored.unwrap().archived_missing.len(), 0);
            let store = sled::open(back.path()).unwrap();
            check(&*store.reader, least, deleted);
            check_archive(&back.path().join("archive"), deleted);
        }
    }
}

fn check(reader: &dyn Reader, kept: u64, deleted: &[&str]) {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let log = reader.read_log(Position::NONE, limit).expect("readable to its head").commits;
    assert_eq!(log.last().unwrap().last_position(), reader.head());
    let with_events = |id: &str| {
        let commits = log.iter().filter(|commit| commit.view().belongs_to(&stream(id)));
        let added = |commit: &&actuarius::store::Commit| {
            commit.view().events().any(|event| event.deletion().is_none())
        };
        commits.filter(added).count() as u64
    };
    assert!(with_events(KEPT) >= kept, "{} of {kept}", with_events(KEPT));
    deleted.iter().for_each(|id| assert_eq!(with_events(id), 0, "{id} was deleted"));
    let verified = reader.maintenance().verify(&mut Verify::default()).unwrap();
    assert_eq!((verified.findings, verified.missing), (vec![], 0));
}

fn check_archive(archive: &Path, deleted: &[&str]) {
    for path in segments(archive).unwrap() {
        let segment = Segment::open(&path).unwrap();
        segment.verify().unwrap();
        for commit in segment.commits_from(Position::NONE) {
            let commit = commit.unwrap();
            let is_deleted = deleted.iter().any(|id| commit.view().belongs_to(&stream(id)));
            assert!(!is_deleted, "{} has a deleted ledger", path.display());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
