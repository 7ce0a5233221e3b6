//! Keyed views at the limits of memory and disk: a command that changes very many rows, and a full disk.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{Keyed, KeyedProjection, Rows, View};
use actuarius::store::table::changes::borrowed;
use actuarius::store::table::{
    Changes, Entry, Range, ReadTable, TableEngine, TableWriter, ViewError,
};
use actuarius::store::views::Views;
use actuarius::store::{memory, sled};
use actuarius::{Envelope, Runtime};
use bytes::Bytes;

use super::views::at_once;
use crate::common::{Command, Event, Ledger, eventually};

/// Rows of a megabyte each, as many as the blob has bytes, and a row that counts.
struct Large;

impl View for Large {
    type Key = u32;
    type Row = String;
}

impl KeyedProjection<Ledger> for Large {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        match &envelope.event {
            Event::Blob(bytes) => {
                (1..=bytes.len() as u32).for_each(|key| rows.put(key, "x".repeat(1_000_000)));
            }
            _ => rows.update(0u32, |row| row.push('+')),
        }
    }
}

/// One event changed more than 16 MiB of rows: a new price for every item of a catalogue. The view halted at it, and so
/// did each rebuild.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_changes_more_than_sixteen_mebibytes_of_rows_becomes_visible_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let views = || sled::views(directory.path());
    let contents = Arc::default();
    let runtime = Runtime::builder().views(views()).on_store(memory::reopen(&contents));
    let runtime = runtime.await.unwrap();
    let view =
        runtime.keyed::<Large>("large").on::<Ledger>().retry(at_once()).start().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for command in [Command::Add(1), Command::Blob(20), Command::Add(1)] {
        ledgers.execute("a", command).await.unwrap();
    }
    view.wait_for_within(runtime.head(), Duration::from_secs(600)).await.unwrap();
    let lengths = |view: &Keyed<Large>| {
        [0, 1, 20, 21].map(|key| view.get(&key).unwrap().map(|row| row.len()))
    };
    let all = [Some(2), Some(1_000_000), Some(1_000_000), None];
    assert_eq!(lengths(&view), all);
    drop(view);
    assert!(runtime.shutdown(Duration::from_secs(600)).await.is_clean());
    drop((runtime, ledgers));
    let runtime = Runtime::builder().views(views()).on_store(memory::reopen(&contents));
    let runtime = runtime.await.unwrap();
    let view = runtime.keyed::<Large>("large").on::<Ledger>().start().await.unwrap();
    assert_eq!(lengths(&view), all);
}

type Table = Arc<RwLock<BTreeMap<Bytes, Bytes>>>;

/// Tables on a disk that is full on demand.
#[derive(Clone, Default)]
struct Disk {
    is_full: Arc<AtomicBool>,
    tables: Arc<Mutex<HashMap<PathBuf, Table>>>,
}

impl Disk {
    fn write(&self) -> Result<(), ViewError> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(ViewError::Io(Arc::new(std::io::ErrorKind::StorageFull.into()))),
            false => Ok(()),
        }
    }
}

impl TableEngine for Disk {
    fn exists(&self, generation: &Path) -> bool {
        self.tables.lock().unwrap().contains_key(generation)
    }

    fn open(
        &self,
        generation: &Path,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Result<Box<dyn TableWriter>, ViewError> {
        self.write()?;
        let table = self.tables.lock().unwrap().entry(generation.to_owned()).or_default().clone();
        let open = Arc::new(Open { table, _lock: lock });
        Ok(Box::new(Writing { disk: self.clone(), open, has_failed: false }))
    }

    fn can_open(&self, _: &Path) -> Result<(), ViewError> {
        self.write()
    }

    fn lock_wait(&self) -> Duration {
        Duration::ZERO
    }
}

struct Open {
    table: Table,
    _lock: Box<dyn Any + Send + Sync>,
}

struct Writing {
    disk: Disk,
    open: Arc<Open>,
    has_failed: bool,
}

impl TableWriter for Writing {
    fn reader(&self) -> Arc<dyn ReadTable> {
        self.open.clone()
    }

    fn commit(&mut self, changes: Changes) -> Result<(), ViewError> {
        if self.has_failed {
            return Err(ViewError::Failed { cause: "a commit failed before".to_owned() });
        }
        self.has_failed = true;
        self.disk.write()?;
        let mut table = self.open.table.write().unwrap();
        for (place, value) in changes {
            match value {
                Some(value) => table.insert(place, value),
                None => table.remove(&place),
            };
        }
        self.has_failed = false;
        Ok(())
    }
}

impl ReadTable for Open {
    fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        Ok(self.table.read().unwrap().get(place).cloned())
    }

    fn scan(&self, range: &Range, descending: bool, limit: usize) -> Result<Vec<Entry>, ViewError> {
        let table = self.table.read().unwrap();
        let found = table.range::<[u8], _>(borrowed(range));
        let entry = |(place, value): (&Bytes, &Bytes)| (place.slice(1..), value.clone());
        Ok(match descending {
            true => found.rev().take(limit).map(entry).collect(),
            false => found.take(limit).map(entry).collect(),
        })
    }
}

/// The disk of the views was full. The guide said that a halted view can still be read, but its table was closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_on_a_full_disk_is_read_as_it_was_and_continues_when_there_is_room() {
    let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let views = Views::on_disk(directory.path(), Arc::new(disk.clone()));
    let runtime = Runtime::builder().views(views).in_memory().await.unwrap();
    let view =
        runtime.keyed::<Large>("large").on::<Ledger>().retry(at_once()).start().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    for round in 1..=2 {
        disk.is_full.store(true, Ordering::SeqCst);
        ledgers.execute("a", Command::Add(1)).await.unwrap();
        eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
        assert_eq!(view.get(&0).unwrap().unwrap().len(), round);
        view.resume();
        eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
        assert_eq!(view.get(&0).unwrap().unwrap().len(), round);
        disk.is_full.store(false, Ordering::SeqCst);
        view.resume();
        view.wait_for(runtime.head()).await.unwrap();
        assert_eq!(view.get(&0).unwrap().unwrap().len(), round + 1);
    }
}
