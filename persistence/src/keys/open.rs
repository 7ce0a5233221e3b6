//! Opens keys on disk or in memory, and creates the key file.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::key_file::Keys;
use super::master::MasterKeys;
use super::medium::Medium;
use super::pages::{self, Pages, Unopened};
use super::record::SlotState;
use super::store::KeyStore;
use super::{KeyError, MasterKeyId};
use crate::OpenError;
use crate::files::lock::{self, StoreLock};
use crate::files::{self, OnFile};
use crate::personal::Fingerprint;

/// How long opening waits for another holder that is closing the file.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// The name of the key file in its directory.
const FILE: &str = "keys";

impl Keys {
    /// Opens the keys in `directory`. Creates the key file if it does not exist.
    ///
    /// # Errors
    /// Returns [`OpenError`]: for example [`OpenError::Keys`] if a master key is missing or wrong.
    /// Nothing was changed.
    pub fn open(
        directory: impl AsRef<Path>,
        master: impl MasterKeys,
    ) -> Result<Arc<Self>, OpenError> {
        on_disk(&files::absolute(directory.as_ref()), Arc::new(master)).map(Arc::new)
    }

    /// Returns whether there is a key file in `directory`.
    #[must_use]
    pub fn exist_in(directory: impl AsRef<Path>) -> bool {
        directory.as_ref().join(FILE).exists()
    }

    /// Creates keys in memory, which are lost with the process.
    ///
    /// # Errors
    /// Returns [`KeyError`] if the current master key is missing, or there is no randomness.
    pub fn in_memory(master: impl MasterKeys) -> Result<Arc<Self>, KeyError> {
        in_memory(Arc::new(master)).map(Arc::new)
    }
}

fn on_disk(directory: &Path, master: Arc<dyn MasterKeys>) -> Result<Keys, OpenError> {
    files::create_directory(directory)?;
    let lock = lock::retry(LOCK_WAIT, || StoreLock::take(directory, "lock"))?;
    let path = directory.join(FILE);
    let failed = |source: KeyError| OpenError::Keys { path: path.clone(), source };
    if !path.exists() {
        // Before the file is created, so that a wrong provider leaves no file.
        master.current().and_then(|id| master.key(&id)).map_err(|error| failed(error.into()))?;
        files::replace(&path, &[&pages::fresh().map_err(failed)?])?;
    }
    let file = File::options().read(true).write(true).open(&path).on(&path)?;
    // Writes of a killed process may be in the cache of the operating system only.
    file.sync_all().on(&path)?;
    open(Box::new(file), master, Some(lock)).map_err(|unopened| match unopened {
        NotOpen::Pages(Unopened::Io(source)) => OpenError::Io { path: path.clone(), source },
        NotOpen::Pages(Unopened::Newer(found)) => {
            OpenError::NewerFormat { path: path.clone(), found, supported: pages::SUPPORTED }
        }
        NotOpen::Pages(Unopened::Damaged(what)) => {
            OpenError::Damaged { path: path.clone(), what: what.to_owned() }
        }
        NotOpen::Key(error) => failed(error),
    })
}

fn in_memory(master: Arc<dyn MasterKeys>) -> Result<Keys, KeyError> {
    open(Box::new(pages::fresh()?), master, None).map_err(|unopened| match unopened {
        NotOpen::Key(error) => error,
        // The pages were just created, so they open.
        NotOpen::Pages(_) => KeyError::Unreadable { what: "memory".to_owned() },
    })
}

pub(super) enum NotOpen {
    Pages(Unopened),
    Key(KeyError),
}

pub(super) fn open(
    medium: Box<dyn Medium>,
    master: Arc<dyn MasterKeys>,
    lock: Option<StoreLock>,
) -> Result<Keys, NotOpen> {
    let (mut found, mut one_of_each) =
        (Vec::new(), HashMap::<MasterKeyId, (Fingerprint, u32)>::new());
    let (pages, census) = Pages::open(medium, |slot, record| {
        if let SlotState::Live { master, .. } = record.state {
            one_of_each.entry(master).or_insert((record.subject, slot));
        }
        found.push((record.subject, slot, record.state == SlotState::Forgotten));
    })
    .map_err(NotOpen::Pages)?;
    let subjects = found.len();
    let (identity, salt) = (pages.header().file, pages.header().salt.clone());
    let store = KeyStore::new(pages, census, found);
    if store.memory().subjects() != subjects as u64 {
        return Err(NotOpen::Pages(Unopened::Damaged("a subject has two slots")));
    }
    store.try_masters(&one_of_each, &*master).map_err(NotOpen::Key)?;
    if census.damaged + census.repaired + census.unfinished > 0 {
        tracing::warn!(
            target: "actuarius::keys",
            damaged = census.damaged, repaired = census.repaired, unfinished = census.unfinished,
            "the key file was damaged, or a power cut interrupted a write"
        );
    }
    let (forgotten, erased_snapshots) = (store.memory().forgotten.into(), Default::default());
    let lock = Mutex::new(lock);
    Ok(Keys { master, identity, salt, store, forgotten, erased_snapshots, lock })
}
