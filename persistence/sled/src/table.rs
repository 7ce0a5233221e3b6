//! Tables of views: rows in sled, made whole and durable by a journal of our own.
//!
//! A batch of a view is a thousand small rows, and sled's own batches will not do for it: while one
//! is applied, sled lets nobody in the process read or write, whichever of its trees it is. A view
//! that caught up took nine tenths of the log's commits away, and 17 ms from some callers. So:
//!
//! 1. The batch is written to the journal, in one record, and synced (`journal`). It is durable and
//!    whole now, and readers may see it.
//! 2. It is given to sled row by row (`applying`). Readers look into the batch first and into sled
//!    then, so they never see half of it (`looking`).
//! 3. When the journal is full, sled is synced, and the journal starts anew.
//!
//! When a table is opened, what is in the journal is given to sled again: doing it twice is doing it
//! once, since rows are put, not changed. A marker in sled says which batch was begun last; it comes
//! before the rows of that batch, and sled keeps the order of what it is given. So a sled that has
//! part of a batch always says which, and if the journal does not have that batch whole, or goes on
//! behind what sled has, the table is damaged and says so.
//!
//! The guards against power cuts are those of the store: see [`super`].
//!
//! ```text
//! table/FORMAT     what this is, in text
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

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actuarius_persistence::OpenError;
use actuarius_persistence::files::marker::{self, Unreadable};
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::table::ViewError;
use actuarius_persistence::table::{Changes, Range};
use actuarius_persistence::table::{Entry, ReadTable, TableEngine, TableWriter};
use actuarius_persistence::wire::Malformed;
use bytes::Bytes;
use uuid::Uuid;

use crate::engine::{open_engine, open_sled};
use crate::error;
use crate::options::SledOptions;
use crate::release::Release;
use applying::Applying;
use journal::{Journal, Record};
use reader::Shared;
use rows::Marker;

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

const MAGIC: &str = "actuarius view table";

/// Where the journal is full: as much as is given to sled between two syncs, so that a table of
/// small batches is synced no more often, and one of large ones does not sync twice for each.
const JOURNAL_BYTES: u64 = crate::engine::SYNC_BYTES_MAX as u64;

impl TableEngine for SledOptions {
    fn exists(&self, generation: &Path) -> bool {
        directory(generation).exists()
    }

    fn open(
        &self,
        generation: &Path,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Result<Box<dyn TableWriter>, ViewError> {
        Ok(Box::new(open(generation, self, keep)?))
    }

    fn lock_wait(&self) -> Duration {
        self.lock_wait
    }
}

/// Where the table of a generation is.
fn directory(generation: &Path) -> PathBuf {
    generation.join("table")
}

/// The writer of an open table.
struct SledTable {
    shared: Arc<Shared>,
    applying: Applying,
    journal: Journal,
    /// What went wrong first. Nothing is written after it: what the disk holds is not known.
    failure: Option<String>,
}

/// Reads an open table.
struct SledTableReader(Arc<Shared>);

/// Opens the table in the directory of its generation, or makes an empty one there. `keep` is
/// dropped when everything is closed.
fn open(
    generation: &Path,
    options: &SledOptions,
    keep: Box<dyn Any + Send + Sync>,
) -> Result<SledTable, ViewError> {
    guarded(|| {
        let table = directory(generation);
        if !table.exists() {
            create(generation, options)?;
        }
        let id = read_format(&table)?;
        let (release, engine) = open_engine(&table.join("log"), options)?;
        let shared = Arc::new(Shared::new(engine, release, keep));
        let journal_path = table.join("journal");
        let journal = Journal::open(&journal_path, id).on(&journal_path)?;
        SledTable::recover(shared, journal, &table)
    })
}

/// A table is built aside and gets its name when all of it is durable, as a store is.
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
    create_log(&new.join("log"), options)?;
    files::sync_tree(&new)?;
    let table = directory(generation);
    fs::rename(&new, &table).on(&table)?;
    Ok(files::sync(generation)?)
}

/// The marker is there from the start, so that a missing one is noticed.
fn create_log(log: &Path, options: &SledOptions) -> Result<(), OpenError> {
    let _release = Release(log.join("db"));
    let db = open_sled(log, options, None)?;
    let written = db.insert(keys::MARKER, Marker::Done(0).pack()).and_then(|_| db.flush());
    written.map(|_| ()).map_err(error::engine_io).on(log)
}

/// The table's identity.
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
    id.ok_or_else(|| damaged("FORMAT makes no sense"))
}

impl SledTable {
    /// Gives sled what only the journal may have.
    fn recover(shared: Arc<Shared>, journal: Journal, table: &Path) -> Result<Self, ViewError> {
        let damaged = |what: &str| ViewError::damaged(format!("{}: {what}", table.display()));
        let marker = rows::marker(&shared.engine);
        let marker = marker.map_err(|trouble| damaged(&trouble.to_string()))?;
        let records = journal.read().on(table)?;
        let records = missing(marker, &records).map_err(|malformed| damaged(malformed.0))?;
        let applying = Applying::new(shared.clone())?;
        let mut table = Self { shared, applying, journal, failure: None };
        table.journal.resume(marker.missing());
        for record in records {
            let changes = record.changes().map_err(|malformed| damaged(malformed.0))?;
            table.applying.apply(record.sequence, &changes)?;
            table.journal.resume(record.sequence + 1);
        }
        if !records.is_empty() {
            table.settle()?;
        }
        Ok(table)
    }

    /// Readers look into the batch as long as sled may have part of it: for good, if this fails.
    fn store(&mut self, changes: Arc<Changes>) -> Result<(), ViewError> {
        let sequence = self.journal.write(&changes)?;
        self.shared.show(Some(changes.clone()));
        self.applying.apply(sequence, &changes)?;
        self.shared.show(None);
        if self.journal.bytes() >= JOURNAL_BYTES {
            self.settle()?;
        }
        Ok(())
    }

    /// Makes sled durable, so that the journal is not needed any more.
    fn settle(&mut self) -> Result<(), ViewError> {
        self.applying.finish(self.journal.next() - 1)?;
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
        let stored = guarded(|| self.store(Arc::new(changes)));
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

/// Those of the journal's records that sled may lack something of.
fn missing(marker: Marker, records: &[Record]) -> Result<&[Record], Malformed> {
    let first = marker.missing();
    if records.first().is_some_and(|record| record.sequence > first) {
        return Err(Malformed("the journal goes on behind what there is"));
    }
    let known = records.partition_point(|record| record.sequence < first);
    match (marker, &records[known..]) {
        (Marker::Begun(_), []) => Err(Malformed("the journal lacks a batch that was begun")),
        (_, missing) => Ok(missing),
    }
}

/// How many characters of a panic's message are passed on: sled's may have the whole tree in it.
const PANIC_CHARS_MAX: usize = 300;

/// sled panics on some kinds of damage.
fn guarded<T>(work: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = error::panic_text(&*panic);
        Err(ViewError::damaged(said.chars().take(PANIC_CHARS_MAX).collect::<String>()))
    })
}
