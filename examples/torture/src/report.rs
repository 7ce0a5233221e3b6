//! A view in SQLite, which fails at chosen positions.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use actuarius::error::BoxError;
use actuarius::projection::{Database, EventBatch};
use actuarius::{Envelope, Position};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::Journal;
use crate::total::Total;

/// The maximum number of events in a transaction: few, so that there are many moments for a kill, and fewer than the
/// distance between two failing events, so that a batch fails only once.
pub(crate) const BATCH: usize = 50;

/// One in this many events is refused at the first attempt, in the middle of its transaction.
const REFUSED: u64 = 71;

/// A batch whose last position is a multiple of this fails at the first attempt, after it was stored.
const REPEATED: u64 = 13;

/// Write-ahead logging without shared memory, and without a sync per transaction. A power cut may lose the last
/// transactions as a whole, which a view tolerates.
const SETTINGS: &str =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS journal (
        id TEXT PRIMARY KEY, events INTEGER NOT NULL, digest INTEGER NOT NULL,
        position INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS checkpoint (
        one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;";

/// A view in SQLite: the totals by journal and their position, changed in one transaction.
pub(crate) struct Report {
    connection: Connection,
    /// The positions that have failed in this process. Each fails once.
    failed: HashSet<(Position, u64)>,
}

impl Report {
    pub(crate) fn open(directory: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(directory.join("report.sqlite"))?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection, failed: HashSet::new() })
    }

    pub(crate) fn checkpoint(&self) -> rusqlite::Result<Position> {
        let select = "SELECT coalesce(max(position), 0) FROM checkpoint";
        let position: i64 = self.connection.query_row(select, [], |row| row.get(0))?;
        Ok(Position::new(position as u64))
    }

    pub(crate) fn totals(&self) -> rusqlite::Result<BTreeMap<String, Total>> {
        let mut select =
            self.connection.prepare("SELECT id, events, digest, position FROM journal")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, total_at(row, 1)?)))?;
        rows.collect()
    }

    fn fails(&mut self, position: Position, one_in: u64) -> Result<(), BoxError> {
        let fails = position.get().is_multiple_of(one_in);
        if fails && self.failed.insert((position, one_in)) {
            return Err(format!("position {position} fails once").into());
        }
        Ok(())
    }
}

impl Database for Report {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(self.checkpoint()?)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let refused = batch.events().try_for_each(|event| self.fails(event.position(), REFUSED));
        let transaction = self.connection.transaction()?;
        for event in batch.events() {
            for envelope in event.decode::<Journal>()? {
                add(&transaction, &envelope)?;
            }
        }
        // Late, so that the transaction has changes to roll back.
        refused?;
        let store = "INSERT OR REPLACE INTO checkpoint VALUES (1, ?1)";
        transaction.execute(store, [batch.position().get() as i64])?;
        transaction.commit()?;
        self.fails(batch.position(), REPEATED)
    }
}

fn add(transaction: &Transaction<'_>, envelope: &Envelope<Journal>) -> rusqlite::Result<()> {
    let id = envelope.id.as_str();
    let mut select =
        transaction.prepare_cached("SELECT events, digest, position FROM journal WHERE id = ?1")?;
    let mut row = select.query_row([id], |row| total_at(row, 0)).optional()?.unwrap_or_default();
    row.add(envelope);
    let mut store =
        transaction.prepare_cached("INSERT OR REPLACE INTO journal VALUES (?1, ?2, ?3, ?4)")?;
    // SQLite's integers are signed. The bits are the same.
    store.execute(params![id, row.events as i64, row.digest as i64, row.position as i64])?;
    Ok(())
}

fn total_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Total> {
    let number = |column| row.get(first + column).map(|number: i64| number as u64);
    Ok(Total { events: number(0)?, digest: number(1)?, position: number(2)? })
}
