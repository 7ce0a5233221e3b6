//! A projection into SQLite that sums by ledger and fails on demand.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::projection::{Database, EventBatch};
use actuarius::store::Uuid;
use actuarius::store::memory::{self, Contents};
use actuarius::subscription::Retry;
use actuarius::{Position, Runtime};
use rusqlite::Connection;

use crate::common::{Command, Event, Ledger};

/// The failures of the next batches, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mishap {
    RefusedAtOnce,
    RefusedHalfWay,
    PanicHalfWay,
    /// The batch is stored, but the result is an error.
    StoredAndRefused,
    /// The same, and the position cannot be read either.
    StoredAndGone,
}

/// Shared by a test and its database: what the test observes and controls.
#[derive(Clone, Default)]
pub(crate) struct Levers {
    pub(crate) mishaps: Arc<Mutex<VecDeque<Mishap>>>,
    /// How often reading the position fails.
    pub(crate) gone: Arc<AtomicU64>,
    /// The number of events in each batch.
    pub(crate) batches: Arc<Mutex<Vec<usize>>>,
    /// The directory to which the files are copied in the middle of the next transaction.
    pub(crate) copy_to: Arc<Mutex<Option<PathBuf>>>,
    /// The outcome of a takeover.
    pub(crate) takeovers: Arc<Mutex<VecDeque<Mishap>>>,
    pub(crate) gate: Arc<Gate>,
    /// The threads on which databases were closed.
    pub(crate) closed_on: Arc<Mutex<Vec<ThreadId>>>,
}

/// Blocks a batch while it is shut.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) is_shut: AtomicBool,
    pub(crate) is_waited_at: AtomicBool,
}

impl Gate {
    fn pass(&self) {
        while self.is_shut.load(Ordering::SeqCst) {
            self.is_waited_at.store(true, Ordering::SeqCst);
            std::thread::yield_now();
        }
    }
}

/// The sums by ledger in SQLite.
pub(crate) struct Sums {
    pub(crate) connection: Connection,
    path: PathBuf,
    tables: &'static str,
    levers: Levers,
}

impl Sums {
    pub(crate) fn open(directory: &Path, tables: &'static str, levers: &Levers) -> Self {
        let path = directory.join("sums.sqlite");
        let connection = Connection::open(&path).unwrap();
        // With such a small cache, pages reach the file in the middle of a transaction.
        let create = format!(
            "PRAGMA cache_size = 1;
             CREATE TABLE IF NOT EXISTS {tables}_sum (ledger TEXT PRIMARY KEY, total INTEGER);
             CREATE TABLE IF NOT EXISTS {tables}_seen (position INTEGER);
             CREATE TABLE IF NOT EXISTS {tables}_progress
                 (id INTEGER PRIMARY KEY, at INTEGER, store TEXT);"
        );
        connection.execute_batch(&create).unwrap();
        Self { connection, path, tables, levers: levers.clone() }
    }

    pub(crate) fn in_directory(directory: &Path, levers: &Levers) -> Self {
        Self::open(directory, "live", levers)
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        self.levers.closed_on.lock().unwrap().push(std::thread::current().id());
    }
}

impl Database for Sums {
    fn position(&mut self) -> Result<Position, BoxError> {
        if self.levers.gone.load(Ordering::SeqCst) > 0 {
            self.levers.gone.fetch_sub(1, Ordering::SeqCst);
            return Err("nobody answers".into());
        }
        let find = format!("SELECT coalesce(max(at), 0) FROM {}_progress", self.tables);
        let position: i64 = self.connection.query_row(&find, [], |row| row.get(0))?;
        Ok(Position::new(position.try_into()?))
    }

    fn store(&mut self) -> Result<Option<Uuid>, BoxError> {
        let find = format!("SELECT max(store) FROM {}_progress", self.tables);
        let store: Option<String> = self.connection.query_row(&find, [], |row| row.get(0))?;
        Ok(store.map(|store| store.parse()).transpose()?)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        self.levers.gate.pass();
        let mishap = self.levers.mishaps.lock().unwrap().pop_front();
        if mishap == Some(Mishap::RefusedAtOnce) {
            return Err("not now".into());
        }
        let transaction = self.connection.transaction()?;
        let tables = self.tables;
        for event in batch.events() {
            let seen = format!("INSERT INTO {tables}_seen VALUES (?1)");
            transaction.execute(&seen, [i64::try_from(event.position().get())?])?;
            for envelope in event.decode::<Ledger>()? {
                let Event::Added(amount) = envelope.event else { continue };
                let add = format!(
                    "INSERT INTO {tables}_sum VALUES (?1, ?2)
                     ON CONFLICT (ledger) DO UPDATE SET total = total + ?2"
                );
                transaction.execute(&add, (event.id(), amount))?;
            }
        }
        match mishap {
            Some(Mishap::RefusedHalfWay) => return Err("half way".into()),
            Some(Mishap::PanicHalfWay) => std::panic::resume_unwind(Box::new("half way")),
            _ => {}
        }
        if let Some(directory) = self.levers.copy_to.lock().unwrap().take() {
            copy(&self.path, &directory);
        }
        let store = format!("INSERT OR REPLACE INTO {tables}_progress VALUES (1, ?1, ?2)");
        let position = i64::try_from(batch.position().get())?;
        transaction.execute(&store, (position, batch.store().to_string()))?;
        transaction.commit()?;
        self.levers.batches.lock().unwrap().push(batch.len());
        match mishap {
            Some(Mishap::StoredAndGone) => {
                self.levers.gone.store(1, Ordering::SeqCst);
                Err("gone".into())
            }
            Some(Mishap::StoredAndRefused) => Err("stored, but".into()),
            _ => Ok(()),
        }
    }

    fn take_over(&mut self) -> Result<(), BoxError> {
        let mishap = self.levers.takeovers.lock().unwrap().pop_front();
        if mishap == Some(Mishap::RefusedAtOnce) {
            return Err("not now".into());
        }
        let transaction = self.connection.transaction()?;
        for table in ["sum", "seen", "progress"] {
            let rename = format!(
                "DROP TABLE IF EXISTS live_{table};
                 ALTER TABLE {}_{table} RENAME TO live_{table};",
                self.tables
            );
            transaction.execute_batch(&rename)?;
        }
        transaction.commit()?;
        if mishap == Some(Mishap::StoredAndRefused) {
            return Err("stored, but".into());
        }
        self.tables = "live";
        Ok(())
    }
}

/// Copies all files of SQLite as a process that is killed now leaves them.
fn copy(path: &Path, directory: &Path) {
    for file in ["sums.sqlite", "sums.sqlite-journal"] {
        let from = path.with_file_name(file);
        if from.exists() {
            std::fs::copy(from, directory.join(file)).unwrap();
        }
    }
}

/// Returns the contents of the database: sums, events in the order of their arrival, and the
/// position.
pub(crate) fn look(directory: &Path) -> (BTreeMap<String, i64>, Vec<i64>, i64) {
    let connection = Connection::open(directory.join("sums.sqlite")).unwrap();
    let mut sums = connection.prepare("SELECT ledger, total FROM live_sum").unwrap();
    let sums = sums.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut seen = connection.prepare("SELECT position FROM live_seen ORDER BY rowid").unwrap();
    let seen = seen.query_map([], |row| row.get(0)).unwrap();
    let position = "SELECT coalesce(max(at), 0) FROM live_progress";
    let position = connection.query_row(position, [], |row| row.get(0)).unwrap();
    (sums.map(Result::unwrap).collect(), seen.map(Result::unwrap).collect(), position)
}

/// Asserts that the database has the amounts `0..count`, added with [`add`].
pub(crate) fn check(directory: &Path, count: i64) {
    let (sums, seen, position) = look(directory);
    let mut expected = BTreeMap::new();
    for amount in 0..count {
        *expected.entry((amount % 10).to_string()).or_default() += amount;
    }
    assert_eq!(sums, expected);
    assert!(seen.iter().copied().eq(1..=count), "{seen:?}");
    assert_eq!(position, count);
}

pub(crate) async fn add(runtime: &Runtime, amounts: std::ops::Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        ledgers.execute((amount % 10).to_string(), Command::Add(amount)).await.unwrap();
    }
}

pub(crate) async fn open(contents: &Arc<Contents>) -> Runtime {
    Runtime::builder().on_store(memory::reopen(contents)).await.unwrap()
}

pub(crate) fn at_once(attempts: u32) -> Retry {
    Retry::default().attempts(attempts).waits(Duration::ZERO, Duration::ZERO)
}
