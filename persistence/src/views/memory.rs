//! Views in memory: they behave like views on disk, and live until the last clone of their [`Views`]
//! is dropped.
//!
//! [`Views`]: super::Views

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;

use crate::table::changes::{self, Changes, Range};
use crate::table::error::ViewError;
use crate::table::{Entry, ReadTable, TableWriter};

/// All places, by name.
#[derive(Default)]
pub(super) struct MemoryViews(Mutex<HashMap<String, Arc<Contents>>>);

impl MemoryViews {
    pub(super) fn names(&self) -> Vec<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.keys().cloned().collect()
    }

    pub(super) fn place(&self, name: &str) -> Result<MemoryPlace, ViewError> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = places.entry(name.to_owned()).or_default().clone();
        let opened = Opened::new(contents.clone(), None);
        let opened = opened.ok_or_else(|| ViewError::InUse { what: format!("view {name}") })?;
        Ok(MemoryPlace { contents, opened: Arc::new(opened) })
    }
}

#[derive(Default)]
struct Contents(Mutex<State>);

#[derive(Default)]
struct State {
    generations: BTreeSet<u64>,
    current: Option<u64>,
    states: HashMap<u64, Vec<u8>>,
    tables: HashMap<u64, Arc<Rows>>,
    /// The open items: `None` for the place itself, and tables by generation.
    open: HashSet<Option<u64>>,
}

impl Contents {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a place, or the table of a generation, as open until it is dropped.
struct Opened(Arc<Contents>, Option<u64>);

impl Opened {
    /// Returns `None` if it is already open.
    fn new(contents: Arc<Contents>, generation: Option<u64>) -> Option<Self> {
        let first = contents.lock().open.insert(generation);
        first.then(|| Self(contents, generation))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.lock().open.remove(&self.1);
    }
}

pub(super) struct MemoryPlace {
    contents: Arc<Contents>,
    opened: Arc<Opened>,
}

impl MemoryPlace {
    pub(super) fn generations(&self) -> Vec<u64> {
        self.contents.lock().generations.iter().copied().collect()
    }

    pub(super) fn current(&self) -> Option<u64> {
        self.contents.lock().current
    }

    pub(super) fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        self.contents.lock().current = Some(generation);
        Ok(())
    }

    pub(super) fn remove(&self, generation: u64) -> Result<(), ViewError> {
        let mut state = self.contents.lock();
        if state.current == Some(generation) || state.open.contains(&Some(generation)) {
            return Err(in_use(generation));
        }
        state.generations.remove(&generation);
        state.states.remove(&generation);
        state.tables.remove(&generation);
        Ok(())
    }

    pub(super) fn table(&self, generation: u64) -> Result<MemoryTable, ViewError> {
        let opened = Opened::new(self.contents.clone(), Some(generation));
        let opened = opened.ok_or_else(|| in_use(generation))?;
        let mut state = self.contents.lock();
        state.generations.insert(generation);
        let rows = state.tables.entry(generation).or_default().clone();
        Ok(MemoryTable(Arc::new(OpenRows { rows, _opened: opened, _place: self.opened.clone() })))
    }

    pub(super) fn load_state(&self, generation: u64) -> Option<Vec<u8>> {
        self.contents.lock().states.get(&generation).cloned()
    }

    pub(super) fn save_state(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        let mut contents = self.contents.lock();
        contents.generations.insert(generation);
        contents.states.insert(generation, state.to_vec());
        Ok(())
    }
}

fn in_use(generation: u64) -> ViewError {
    ViewError::InUse { what: format!("generation {generation}") }
}

type Rows = RwLock<BTreeMap<Bytes, Bytes>>;

struct OpenRows {
    rows: Arc<Rows>,
    _opened: Opened,
    _place: Arc<Opened>,
}

#[derive(Clone)]
pub(super) struct MemoryTable(Arc<OpenRows>);

impl TableWriter for MemoryTable {
    fn reader(&self) -> Arc<dyn ReadTable> {
        Arc::new(self.clone())
    }

    fn commit(&mut self, changes: Changes) -> Result<(), ViewError> {
        // A panic here can only come from the allocator: rows are complete.
        let mut rows = self.0.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (place, value) in changes {
            match value {
                Some(value) => rows.insert(place, value),
                None => rows.remove(&place),
            };
        }
        Ok(())
    }
}

impl ReadTable for MemoryTable {
    fn get(&self, place: &[u8]) -> Result<Option<Bytes>, ViewError> {
        let rows = self.0.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(place).cloned())
    }

    fn scan(&self, range: &Range, descending: bool, limit: usize) -> Result<Vec<Entry>, ViewError> {
        let rows = self.0.rows.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.range::<[u8], _>(changes::borrowed(range));
        let entry = |(place, value): (&Bytes, &Bytes)| (place.slice(1..), value.clone());
        Ok(if descending {
            found.rev().take(limit).map(entry).collect()
        } else {
            found.take(limit).map(entry).collect()
        })
    }
}
