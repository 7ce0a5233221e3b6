//! Views on disk: a directory for each view, which contains one for each generation.
//!
//! ```text
//! <view>/lock           locked while the place is open
//! <view>/current        the current generation, as text
//! <view>/7/table/       the table of generation 7
//! <view>/7/state        the saved state of generation 7
//! <view>/7.removed/     generation 7 while it is removed
//! ```

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state;
use crate::files::lock::{self, StoreLock};
use crate::files::marker::{self, Unreadable};
use crate::files::{self, OnFile};
use crate::table::error::ViewError;
use crate::table::{TableEngine, TableWriter};

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

const MAGIC: &str = "actuarius view";

const REMOVED: &str = ".removed";

#[derive(Clone)]
pub(super) struct DiskPlace {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    engine: Arc<dyn TableEngine>,
    /// The generations whose tables are open. Locked while generations are opened and removed.
    open: Mutex<HashSet<u64>>,
    /// Locked while a file is replaced, because the temporary files have the same name.
    writing: Mutex<()>,
    _lock: StoreLock,
}

/// Marks the table of a generation as open until it is dropped, and keeps the place open.
struct Opened(Arc<Inner>, u64);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open().remove(&self.1);
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(&self, generation: u64) -> PathBuf {
        self.root.join(generation.to_string())
    }

    fn state(&self, generation: u64) -> PathBuf {
        self.generation(generation).join("state")
    }
}

impl DiskPlace {
    pub(super) fn open(root: PathBuf, engine: Arc<dyn TableEngine>) -> Result<Self, ViewError> {
        files::create_directory(&root)?;
        let wait = engine.lock_wait();
        let lock = lock::retry(wait, || StoreLock::take(&root, "lock"))?;
        remove_leftovers(&root).on(&root)?;
        let (open, writing) = (Mutex::default(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { root, engine, open, writing, _lock: lock }) })
    }

    /// Skips generations with neither a table nor a state: a power cut interrupted their creation.
    pub(super) fn generations(&self) -> Result<Vec<u64>, ViewError> {
        let root = &self.inner.root;
        let mut found = Vec::new();
        for entry in fs::read_dir(root).on(root)? {
            let path = entry.on(root)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let generation = name.parse::<u64>().ok().filter(|number| number.to_string() == name);
            let exists = self.inner.engine.exists(&path) || path.join("state").exists();
            found.extend(generation.filter(|_| exists));
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn current(&self) -> Result<Option<u64>, ViewError> {
        let path = self.inner.root.join("current");
        let Some(text) = read(&path)? else { return Ok(None) };
        let what = path.display().to_string();
        let text =
            marker::unsealed(MAGIC, FORMAT..=FORMAT, &text).map_err(
                |unreadable| match unreadable {
                    Unreadable::Newer(found) => {
                        ViewError::NewerFormat { what: what.clone(), found, supported: FORMAT }
                    }
                    Unreadable::Unknown(_) => ViewError::damaged(&*what),
                },
            )?;
        let line = text.lines().nth(2).and_then(|line| line.strip_prefix("current "));
        let current = line.and_then(|number| number.parse().ok());
        current.map(Some).ok_or_else(|| ViewError::damaged(what))
    }

    pub(super) fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        let text = marker::sealed(&format!("{MAGIC}\nformat {FORMAT}\ncurrent {generation}\n"));
        let _writing = self.inner.writing();
        Ok(files::replace(&self.inner.root.join("current"), &[text.as_bytes()])?)
    }

    /// Renames the generation before it is removed, so that no half of it is found.
    pub(super) fn remove(&self, generation: u64) -> Result<(), ViewError> {
        let (inner, open) = (&self.inner, self.inner.open());
        let path = inner.generation(generation);
        if open.contains(&generation) || self.current()? == Some(generation) {
            return Err(ViewError::InUse { what: path.display().to_string() });
        }
        let removed = inner.root.join(format!("{generation}{REMOVED}"));
        remove_directory(&removed).on(&removed)?;
        match fs::rename(&path, &removed) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            renamed => renamed.on(&path)?,
        }
        files::sync(&inner.root)?;
        Ok(remove_directory(&removed).on(&removed)?)
    }

    pub(super) fn table(&self, generation: u64) -> Result<Box<dyn TableWriter>, ViewError> {
        let path = self.inner.generation(generation);
        // The number is released when `opened` is dropped, even if opening fails.
        if !self.inner.open().insert(generation) {
            return Err(ViewError::InUse { what: path.display().to_string() });
        }
        let opened = Opened(self.inner.clone(), generation);
        self.inner.engine.open(&path, Box::new(opened))
    }

    pub(super) fn can_open(&self, generation: u64) -> Result<(), ViewError> {
        self.inner.engine.can_open(&self.inner.generation(generation))
    }

    pub(super) fn load_state(&self, generation: u64) -> Result<Option<Vec<u8>>, ViewError> {
        let path = self.inner.state(generation);
        read(&path)?.map(|bytes| state::unpack(&path, generation, bytes)).transpose()
    }

    pub(super) fn save_state(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        let _writing = self.inner.writing();
        files::create_directory(&self.inner.generation(generation))?;
        let head = state::head(generation, state);
        Ok(files::replace(&self.inner.state(generation), &[&head, state])?)
    }
}

/// Returns the names of the directories in the directory of all views.
pub(super) fn names(root: &Path) -> Result<Vec<String>, ViewError> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.on(root)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.on(root)?;
        if entry.file_type().on(root)?.is_dir() {
            names.extend(entry.file_name().to_str().map(str::to_owned));
        }
    }
    Ok(names)
}

/// Returns the content of a file, or `None` if it does not exist.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ViewError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        content => Ok(Some(content.on(path)?)),
    }
}

fn remove_leftovers(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(REMOVED) {
            remove_directory(&path)?;
        }
    }
    Ok(())
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
