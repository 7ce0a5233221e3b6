//! The measured views: the notes of each aggregate, in memory, on disk and in SQLite.

use std::collections::HashMap;
use std::path::Path;

use actuarius::error::BoxError;
use actuarius::projection::{
    Database, EventBatch, InMemory, KeyedProjection, Projection, Rows, View,
};
use actuarius::{Envelope, Position, Runtime};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::workload::{Journal, JournalEvent};

/// The sums of one aggregate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::scenarios) struct Sum {
    /// The number of notes.
    pub notes: u64,
    /// The number of their bytes.
    pub bytes: u64,
}

impl Sum {
    /// Adds an event.
    pub(in crate::scenarios) fn add(&mut self, event: &JournalEvent) {
        let JournalEvent::Recorded { note } = event;
        self.notes += 1;
        self.bytes += note.len() as u64;
    }
}

/// The view in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::scenarios) struct Sums(HashMap<String, Sum>);

impl Projection<Journal> for Sums {
    fn project(&mut self, envelope: &Envelope<Journal>) {
        match self.0.get_mut(envelope.id.as_str()) {
            Some(sum) => sum.add(&envelope.event),
            None => self.0.entry(envelope.id.to_string()).or_default().add(&envelope.event),
        }
    }
}

impl Sums {
    /// The number of all notes.
    pub(in crate::scenarios) fn notes(&self) -> u64 {
        self.0.values().map(|sum| sum.notes).sum()
    }
}

/// Starts the view in memory.
///
/// # Errors
/// The error of starting the view.
pub(in crate::scenarios) async fn in_memory(
    runtime: &Runtime,
    name: &str,
) -> Result<InMemory<Sums>> {
    Ok(runtime.projection::<Sums>(name).on::<Journal>().start().await?)
}

/// The view as rows on disk.
pub(in crate::scenarios) struct SumsOnDisk;

impl View for SumsOnDisk {
    type Key = String;
    type Row = Sum;
}

impl KeyedProjection<Journal> for SumsOnDisk {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Journal>) {
        rows.update(envelope.id.as_str(), |sum| sum.add(&envelope.event));
    }
}

/// The view in SQLite, synced with every batch.
pub(in crate::scenarios) struct SumsInSqlite(Connection);

impl SumsInSqlite {
    /// Creates an empty database in a file.
    ///
    /// # Errors
    /// The error of SQLite.
    pub(in crate::scenarios) fn create(file: &Path) -> Result<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             CREATE TABLE sum (journal TEXT PRIMARY KEY, notes INTEGER, bytes INTEGER) WITHOUT ROWID;
             CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, position INTEGER);",
        )?;
        Ok(Self(connection))
    }
}

const ADD: &str = "INSERT INTO sum VALUES (?1, 1, ?2) ON CONFLICT (journal)
    DO UPDATE SET notes = notes + 1, bytes = bytes + ?2";

impl Database for SumsInSqlite {
    fn position(&mut self) -> std::result::Result<Position, BoxError> {
        let find = "SELECT coalesce(max(position), 0) FROM checkpoint";
        let position: i64 = self.0.query_row(find, [], |row| row.get(0))?;
        Ok(Position::new(position.try_into()?))
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> std::result::Result<(), BoxError> {
        let transaction = self.0.transaction()?;
        {
            let mut add = transaction.prepare_cached(ADD)?;
            for event in batch.events() {
                for envelope in event.decode::<Journal>()? {
                    let JournalEvent::Recorded { note } = envelope.event;
                    add.execute(params![event.id(), note.len()])?;
                }
            }
        }
        let position = i64::try_from(batch.position().get())?;
        transaction.execute("REPLACE INTO checkpoint VALUES (1, ?1)", [position])?;
        Ok(transaction.commit()?)
    }
}
