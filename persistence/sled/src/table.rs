//! Tables of views: rows in sled, with a journal of our own that makes batches atomic and durable.
//!
//! A batch of a view has a thousand small rows, and sled's own batches are unsuitable for it: while sled
//! applies one, it blocks all other reads and writes of the process, in all of its trees. A view that was
//! catching up reduced the log's commits to a tenth, and delayed some callers by 17 ms. So:
//!
//! 1. The batch is written to the journal as one record and synced (`journal`). From then on it is atomic
//!    and durable, and readers may see it. It is kept in memory as well (`unapplied`).
//! 2. When the journal is full, the changes are written to sled row by row, the newest of each row (`applying`).
//!    Readers search the batches in memory first and then sled, so they never see a part of one (`reader`).
//! 3. sled is synced, and the journal starts again from its beginning.
//!
//! So a row that changes with each batch is written to sled once for many batches.
//!
//! Opening a table writes the batches of the journal to sled. This is idempotent, because rows are
//! put, not changed. A marker in sled names the batches that are in the journal and that sled may lack. It is written
//! before their rows, and sled keeps the order of its writes. So a sled with a part of a batch always names
//! that batch. If the journal lacks the batch, or continues after what sled has, the table is reported as
//! damaged.
//!
//! The guards against power cuts are those of the store: see the crate's documentation.
//!
//! ```text
//! table/FORMAT     the format and the identity, as text
//! table/journal    the last batches
//! table/log/       sled
//! ```

mod applying;
mod journal;
mod keys;
mod reader;
mod rows;
#[cfg(test)]
mod tampering;
mod unapplied;

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use actuarius_persistence::files::marker::{self, Unreadable};
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::table::{
    Changes, Entry, Range, ReadTable, TableEngine, TableWriter, ViewError,
};
use actuarius_persistence::wire::Malformed;
use bytes::Bytes;
use uuid::Uuid;

use crate::engine::{create_engine, open_engine};
use crate::error::catch_panic;
use crate::options::SledOptions;
use applying::Applier;
use journal::{Journal, Record};
use reader::Shared;
use rows::Marker;

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

const MAGIC: &str = "actuarius view table";

/// The size of a full journal. Its changes are in memory, and opening the table writes them to sled, which takes a
/// fraction of a second.
const JOURNAL_BYTES: u64 = 2 * 1024 * 1024;

/// How much room opening a table takes on the disk, beside what the journal has: a few segments of sled's file.
const OPENING_BYTES: u64 = 4 * 1024 * 1024;

/// How many bytes sled writes for each byte of the journal, if its rows are small.
const WRITTEN_PER_BYTE: u64 = 16;

impl TableEngine for SledOptions {
    fn exists(&self, generation: &Path) -> bool {
        directory(generation).exists()
    }

    fn open(
        &self,
        generation: &Path,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Result<Box<dyn TableWriter>, ViewError> {
        Ok(Box::new(open(generation, self, lock)?))
    }

    /// Asks the file system for its free space. Nothing is written: the log may be on the same disk, and needs what is
    /// left of it. Quotas are not seen.
    fn can_open(&self, generation: &Path) -> Result<(), ViewError> {
        let table = directory(generation);
        let journal = fs::metadata(table.join("journal")).map_or(0, |metadata| metadata.len());
        let available = fs2::available_space(&table).on(&table)?;
        Ok(check_room(available, journal).on(&table)?)
    }

    fn lock_wait(&self) -> Duration {
        self.lock_wait
    }
}

/// Returns the directory of a generation's table.
fn directory(generation: &Path) -> PathBuf {
    generation.join("table")
}

/// Checks that a table with a journal of this size can be opened. Opening writes what the journal has to sled, which
/// allocates files in segments.
fn check_room(available: u64, journal: u64) -> io::Result<()> {
    let needed = OPENING_BYTES + WRITTEN_PER_BYTE * journal;
    if available >= needed {
        return Ok(());
    }
    let what = format!("{needed} bytes are needed to open the table, {available} are available");
    Err(io::Error::new(io::ErrorKind::StorageFull, what))
}

/// The writer of an open table.
struct SledTable {
    shared: Arc<Shared>,
    applier: Applier,
    journal: Journal,
    /// The first batch that sled may not have completely.
    first_unapplied: u64,
    /// The first failure. Nothing is written after it, because the content of the disk is unknown.
    failure: Option<String>,
}

/// Reads an open table.
struct SledTableReader(Arc<Shared>);

/// Opens the table in the directory of its generation, or creates an empty one there. Drops `lock` when
/// the table and all its readers are closed.
fn open(
    generation: &Path,
    options: &SledOptions,
    lock: Box<dyn Any + Send + Sync>,
) -> Result<SledTable, ViewError> {
    guarded(|| {
        let table = directory(generation);
        if !table.exists() {
            create(generation, options)?;
        }
        let id = read_format(&table)?;
        let (release, engine) = open_engine(&table.join("log"), options)?;
        let shared = Arc::new(Shared::new(engine, release, lock));
        let journal_path = table.join("journal");
        let journal = Journal::open(&journal_path, id).on(&journal_path)?;
        SledTable::recover(shared, journal, &table)
    })
}

/// Creates an empty table in another directory, and renames it into place when all of it is durable.
fn create(generation: &Path, options: &SledOptions) -> Result<(), ViewError> {
    files::create_directory(generation)?;
    let new = generation.join("table.creating");
    if new.exists() {
        fs::remove_dir_all(&new).on(&new)?;
    }
    fs::create_dir(&new).on(&new)?;
    let text = marker::sealed(&format!("{MAGIC}\nformat {FORMAT}\nid {}\n", Uuid::new_v4()));
    fs::write(new.join("FORMAT"), text).on(&new)?;
    fs::write(new.join("journal"), []).on(&new)?;
    // The marker exists from the start, so that a missing one is detected.
    create_engine(&new.join("log"), options, (keys::MARKER, Marker::Done(0).pack()))?;
    files::sync_tree(&new)?;
    let table = directory(generation);
    fs::rename(&new, &table).on(&table)?;
    Ok(files::sync(generation)?)
}

/// Reads the table's identity.
fn read_format(table: &Path) -> Result<Uuid, ViewError> {
    let path = table.join("FORMAT");
    let damaged = |what: &str| ViewError::damaged(format!("{}: {what}", table.display()));
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged("FORMAT is missing"));
        }
        text => text.on(&path)?,
    };
    let text =
        marker::unsealed(MAGIC, FORMAT..=FORMAT, &text).map_err(|unreadable| match unreadable {
            Unreadable::Newer(found) => ViewError::NewerFormat {
                what: table.display().to_string(),
                found,
                supported: FORMAT,
            },
            Unreadable::Unknown(what) => damaged(what),
        })?;
    let id = text.lines().nth(2).and_then(|line| line.strip_prefix("id ")?.parse().ok());
    id.ok_or_else(|| damaged("FORMAT has invalid fields"))
}

impl SledTable {
    /// Writes the batches to sled that may be only in the journal.
    fn recover(shared: Arc<Shared>, journal: Journal, table: &Path) -> Result<Self, ViewError> {
        let damaged = |what: &str| ViewError::damaged(format!("{}: {what}", table.display()));
        let marker = rows::marker(&shared.engine);
        let marker = marker.map_err(|error| damaged(&error.to_string()))?;
        let records = journal.read().on(table)?;
        let records = unapplied(marker, &records).map_err(|malformed| damaged(malformed.0))?;
        let (applier, first) = (Applier::new(shared.clone())?, marker.first_unapplied());
        let mut table = Self { shared, applier, journal, first_unapplied: first, failure: None };
        table.journal.resume(first);
        for record in records {
            let changes = record.changes().map_err(|malformed| damaged(malformed.0))?;
            table.shared.show(changes);
            table.journal.resume(record.sequence + 1);
        }
        if !records.is_empty() {
            table.checkpoint()?;
        }
        Ok(table)
    }

    /// Stores a batch in the journal, from where readers see it.
    fn store(&mut self, changes: Changes) -> Result<(), ViewError> {
        if changes.bytes() as u64 >= JOURNAL_BYTES && self.journal.bytes() > 0 {
            // Readers do not wait until a large batch is merged with others.
            self.checkpoint()?;
        }
        let sequence = self.journal.write(&changes)?;
        self.shared.show(changes);
        self.applier.begin(self.first_unapplied, sequence)?;
        if self.journal.bytes() >= JOURNAL_BYTES {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Writes all batches to sled and makes it durable, so that the journal is no longer needed. If this fails, readers
    /// search the batches permanently.
    fn checkpoint(&mut self) -> Result<(), ViewError> {
        let last = self.journal.next() - 1;
        self.applier.begin(self.first_unapplied, last)?;
        self.applier.apply(last, &self.shared.unapplied())?;
        self.applier.checkpoint(last)?;
        self.shared.applied();
        self.first_unapplied = last + 1;
        Ok(self.journal.restart()?)
    }
}

impl TableWriter for SledTable {
    fn reader(&self) -> Arc<dyn ReadTable> {
        Arc::new(SledTableReader(self.shared.clone()))
    }

    fn commit(&mut self, changes: Changes) -> Result<(), ViewError> {
        if let Some(cause) = &self.failure {
            return Err(ViewError::Failed { cause: cause.clone() });
        }
        if changes.is_empty() {
            return Ok(());
        }
        let stored = guarded(|| self.store(changes));
        self.failure = stored.as_ref().err().map(ToString::to_string);
        stored
    }
}

impl ReadTable for SledTableReader {
    fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        guarded(|| self.0.get(place))
    }

    fn scan(&self, range: &Range, descending: bool, limit: usize) -> Result<Vec<Entry>, ViewError> {
        guarded(|| self.0.scan(range, descending, limit))
    }
}

/// Returns the records of the journal that sled may not have completely.
fn unapplied(marker: Marker, records: &[Record]) -> Result<&[Record], Malformed> {
    let first = marker.first_unapplied();
    if records.first().is_some_and(|record| record.sequence > first) {
        return Err(Malformed("the journal continues after batches that are missing"));
    }
    let known = records.partition_point(|record| record.sequence < first);
    let missing = &records[known..];
    let last = missing.last().map_or(0, |record| record.sequence);
    if last < marker.last_begun() {
        return Err(Malformed("the journal lacks a batch that was begun"));
    }
    Ok(missing)
}

/// How many characters of a panic's message are reported. sled's message may contain the whole tree.
const PANIC_CHARS_MAX: usize = 300;

/// Converts a panic to an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
    catch_panic(work).unwrap_or_else(|message| {
        Err(ViewError::damaged(message.chars().take(PANIC_CHARS_MAX).collect::<String>()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To find out whether there is room, zeros were written until the disk was full: beside a log that needed the
    /// last megabytes, and failed.
    #[test]
    fn asking_for_room_on_the_disk_writes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let options = SledOptions::default();
        let table = options.open(place.path(), Box::new(())).unwrap();
        let files = || {
            let files = fs::read_dir(directory(place.path())).unwrap();
            let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = files();
        let journal = OPENING_BYTES;
        let needed = (1 + WRITTEN_PER_BYTE) * OPENING_BYTES;
        assert!(check_room(needed, journal).is_ok());
        let refused = check_room(needed - 1, journal).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        options.can_open(place.path()).unwrap();
        assert_eq!(files(), before);
        // Without the file system of the table nothing is known.
        assert!(options.can_open(&place.path().join("missing")).is_err());
        drop(table);
    }
}
