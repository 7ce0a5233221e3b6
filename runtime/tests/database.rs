//! A database of the user's has each event exactly once, with the position it stands for, whatever
//! fails in between.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::persistence::memory::{self, Contents};
use actuarius::{
    Aggregate, BoxError, Context, Database, EventBatch, FollowerStatus, Position, Retry, Runtime,
    StartError,
};
use common::{Command, Event, Ledger, eventually};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// What goes wrong with a batch, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mishap {
    RefusedAtOnce,
    RefusedHalfWay,
    PanicHalfWay,
    /// It was stored, and nobody heard of it.
    StoredAndRefused,
    /// The same, and it does not say how far it is either.
    StoredAndGone,
}

/// What a test may see of a database, and do to it.
#[derive(Clone, Default)]
struct Levers {
    mishaps: Arc<Mutex<VecDeque<Mishap>>>,
    gone: Arc<AtomicU64>,
    /// How many events each batch had.
    batches: Arc<Mutex<Vec<usize>>>,
    /// Where the files are copied to in the middle of the next transaction.
    copy_to: Arc<Mutex<Option<PathBuf>>>,
}

/// The sums by ledger in SQLite.
struct Sums {
    connection: Connection,
    path: PathBuf,
    tables: &'static str,
    levers: Levers,
}

impl Sums {
    fn open(directory: &Path, tables: &'static str, levers: &Levers) -> Self {
        let path = directory.join("sums.sqlite");
        let connection = Connection::open(&path).unwrap();
        // With so small a cache, pages reach the file in the middle of a transaction.
        let create = format!(
            "PRAGMA cache_size = 1;
             CREATE TABLE IF NOT EXISTS {tables}_sum (ledger TEXT PRIMARY KEY, total INTEGER);
             CREATE TABLE IF NOT EXISTS {tables}_seen (position INTEGER);
             CREATE TABLE IF NOT EXISTS {tables}_progress (id INTEGER PRIMARY KEY, at INTEGER);"
        );
        connection.execute_batch(&create).unwrap();
        Self { connection, path, tables, levers: levers.clone() }
    }

    fn in_directory(directory: &Path, levers: &Levers) -> Self {
        Self::open(directory, "live", levers)
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

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let mishap = self.levers.mishaps.lock().unwrap().pop_front();
        if mishap == Some(Mishap::RefusedAtOnce) {
            return Err("not now".into());
        }
        let transaction = self.connection.transaction()?;
        let tables = self.tables;
        for event in batch.events() {
            let seen = format!("INSERT INTO {tables}_seen VALUES (?1)");
            transaction.execute(&seen, [i64::try_from(event.position().get())?])?;
            let Some(envelope) = event.decode::<Ledger>() else { continue };
            if let Event::Added(amount) = envelope?.event {
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
        let store = format!("INSERT OR REPLACE INTO {tables}_progress VALUES (1, ?1)");
        transaction.execute(&store, [i64::try_from(batch.position().get())?])?;
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
        self.tables = "live";
        Ok(())
    }
}

/// Everything SQLite has of the database, as a process that is killed now leaves it.
fn copy(path: &Path, directory: &Path) {
    for file in ["sums.sqlite", "sums.sqlite-journal"] {
        let from = path.with_file_name(file);
        if from.exists() {
            std::fs::copy(from, directory.join(file)).unwrap();
        }
    }
}

/// What the database shows: sums, the events in the order in which they came, and the position.
fn look(directory: &Path) -> (BTreeMap<String, i64>, Vec<i64>, i64) {
    let connection = Connection::open(directory.join("sums.sqlite")).unwrap();
    let mut sums = connection.prepare("SELECT ledger, total FROM live_sum").unwrap();
    let sums = sums.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut seen = connection.prepare("SELECT position FROM live_seen ORDER BY rowid").unwrap();
    let seen = seen.query_map([], |row| row.get(0)).unwrap();
    let position = "SELECT coalesce(max(at), 0) FROM live_progress";
    let position = connection.query_row(position, [], |row| row.get(0)).unwrap();
    (sums.map(Result::unwrap).collect(), seen.map(Result::unwrap).collect(), position)
}

/// Holds the database to the amounts `0..count`, added with [`add`].
fn check(directory: &Path, count: i64) {
    let (sums, seen, position) = look(directory);
    let mut expected = BTreeMap::new();
    for amount in 0..count {
        *expected.entry((amount % 10).to_string()).or_default() += amount;
    }
    assert_eq!(sums, expected);
    assert!(seen.iter().copied().eq(1..=count), "{seen:?}");
    assert_eq!(position, count);
}

async fn add(runtime: &Runtime, amounts: std::ops::Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        ledgers.execute((amount % 10).to_string(), Command::Add(amount)).await.unwrap();
    }
}

async fn open(contents: &Arc<Contents>) -> Runtime {
    Runtime::builder().on_store(memory::reopen(contents)).await.unwrap()
}

fn at_once(attempts: u32) -> Retry {
    Retry::default().attempts(attempts).waits(Duration::ZERO, Duration::ZERO)
}

#[tokio::test]
async fn a_database_has_every_event_once_and_goes_on_after_a_restart() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let contents = Arc::default();
    for round in 0..3 {
        let runtime = open(&contents).await;
        add(&runtime, round * 40..round * 40 + 20).await;
        let sums = Sums::in_directory(directory.path(), &levers);
        let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
        add(&runtime, round * 40 + 20..(round + 1) * 40).await;
        view.wait_for(runtime.head()).await.unwrap();
        check(directory.path(), (round + 1) * 40);
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        assert_eq!(view.status(), FollowerStatus::Stopped);
    }
}

#[tokio::test]
async fn whatever_fails_and_however_often_each_event_counts_once() {
    use Mishap::{PanicHalfWay, RefusedAtOnce, RefusedHalfWay, StoredAndGone, StoredAndRefused};
    let all = [RefusedAtOnce, RefusedHalfWay, PanicHalfWay, StoredAndRefused, StoredAndGone];
    for first in all {
        for second in all {
            let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
            levers.mishaps.lock().unwrap().extend([first, second, first]);
            let runtime = Runtime::in_memory().await.unwrap();
            add(&runtime, 0..15).await;
            let sums = Sums::in_directory(directory.path(), &levers);
            let view = runtime.database("sums", sums).on::<Ledger>().batch_events(4);
            let view = view.retry(at_once(10)).start().await.unwrap();
            add(&runtime, 15..30).await;
            view.wait_for(runtime.head()).await.unwrap();
            check(directory.path(), 30);
        }
    }
}

#[tokio::test]
async fn a_batch_that_fails_for_good_halts_the_projection_and_a_resume_goes_on() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().retry(at_once(2));
    let view = view.start().await.unwrap();
    add(&runtime, 0..5).await;
    view.wait_for(runtime.head()).await.unwrap();
    levers.mishaps.lock().unwrap().extend([Mishap::PanicHalfWay, Mishap::PanicHalfWay]);
    add(&runtime, 5..6).await;
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    let FollowerStatus::Halted { position, why } = view.status() else { unreachable!() };
    assert_eq!(position, Position::new(6));
    assert!(why.contains("half way"), "{why}");
    check(directory.path(), 5);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 6);
}

#[tokio::test]
async fn a_process_killed_within_a_transaction_leaves_view_and_position_together() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let killed = tempfile::tempdir().unwrap();
    let contents = Arc::default();
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    view.pause();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    add(&runtime, 10..200).await;
    *levers.copy_to.lock().unwrap() = Some(killed.path().to_owned());
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    // What the kill has left goes on; SQLite undoes the transaction when it finds its journal.
    assert!(killed.path().join("sums.sqlite-journal").exists());
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(killed.path(), &Levers::default());
    check(killed.path(), 10);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    check(killed.path(), 200);
}

/// An aggregate of another type.
#[derive(Default, Serialize, Deserialize)]
struct Bell;

#[derive(Serialize, Deserialize)]
enum Rung {
    Rung,
}

impl Aggregate for Bell {
    const TYPE: &'static str = "bell";
    type Command = ();
    type Event = Rung;
    type Error = std::convert::Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Rung>, Self::Error> {
        Ok(vec![Rung::Rung])
    }

    fn apply(&mut self, _: &Rung) {}
}

#[tokio::test]
async fn events_of_other_types_pass_by_without_a_transaction_each() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    add(&runtime, 0..1).await;
    view.wait_for(runtime.head()).await.unwrap();
    for _ in 0..20 {
        runtime.host::<Bell>().execute("tower", ()).await.unwrap();
        view.wait_for(runtime.head()).await.unwrap();
    }
    assert_eq!(*levers.batches.lock().unwrap(), [1]);
    view.stop().await;
    assert_eq!(*levers.batches.lock().unwrap(), [1, 0], "the position is stored when it stops");
    assert_eq!(look(directory.path()).2, 21);
}

#[tokio::test]
async fn several_types_come_in_one_batch_in_the_order_of_the_log() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    for amount in 0..5 {
        add(&runtime, amount..amount + 1).await;
        runtime.host::<Bell>().execute("tower", ()).await.unwrap();
    }
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().on::<Bell>();
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(look(directory.path()).1.into_iter().eq(1..=10));
}

#[tokio::test]
async fn a_batch_has_no_more_events_than_wanted_and_never_parts_those_of_one_command() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let contents = Arc::default();
    let runtime = open(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    for events in [2, 3, 7, 1, 1, 1, 5] {
        ledgers.execute("a", Command::AddAll(vec![1; events])).await.unwrap();
    }
    // Read back from the log, they all come in one page.
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().batch_events(5);
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(*levers.batches.lock().unwrap(), [5, 7, 3, 5]);
}

#[tokio::test]
async fn a_database_that_is_ahead_of_the_log_or_says_nothing_does_not_start() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = || Sums::in_directory(directory.path(), &levers);
    let start = || runtime.database("sums", sums()).on::<Ledger>().start();
    let insert = "INSERT INTO live_progress VALUES (1, 7)";
    sums().connection.execute(insert, []).unwrap();
    let error = start().await.err().expect("the log is shorter");
    let seven = Position::new(7);
    assert!(matches!(error, StartError::Ahead { checkpoint, .. } if checkpoint == seven));
    levers.gone.store(1, Ordering::SeqCst);
    let error = start().await.err().expect("nobody answers");
    assert!(matches!(error, StartError::Database { .. }), "{error}");
    let nothing = runtime.database("sums", sums()).start().await;
    assert!(matches!(nothing, Err(StartError::FollowsNothing(_))));
}

#[tokio::test]
async fn a_rebuild_beside_takes_over_with_the_same_result_while_commands_run() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..100).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().retry(at_once(10));
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    // It goes wrong once on the way.
    levers.mishaps.lock().unwrap().extend([Mishap::StoredAndRefused]);
    // What was wrong with the old one is gone afterwards.
    let spoil = Connection::open(directory.path().join("sums.sqlite")).unwrap();
    spoil.execute("UPDATE live_sum SET total = 0", []).unwrap();
    let beside = view.rebuild_beside(Sums::open(directory.path(), "next", &levers));
    add(&runtime, 100..120).await;
    beside.await.unwrap();
    add(&runtime, 120..130).await;
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 130);
}
