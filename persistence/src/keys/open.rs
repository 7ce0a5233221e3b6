use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::MasterKeyId;
use super::master::MasterKeys;
use super::medium::Medium;
use super::pages::{self, Pages, Unopened};
use super::record::Kept;
use super::store::Inner;
use super::{KeyError, Keys};
use crate::OpenError;
use crate::files::lock::{self, StoreLock};
use crate::files::{self, OnFile};
use crate::personal::Fingerprint;

/// How long opening waits for someone who has the file open and is just closing it.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// The file of the keys, within its directory.
const FILE: &str = "keys";

pub(super) fn exist_in(directory: &Path) -> bool {
    directory.join(FILE).exists()
}

pub(super) fn on_disk(directory: &Path, master: Arc<dyn MasterKeys>) -> Result<Keys, OpenError> {
    files::create_directory(directory)?;
    let lock = lock::retry(LOCK_WAIT, || StoreLock::take(directory, "lock"))?;
    let path = directory.join(FILE);
    let failed = |source: KeyError| OpenError::Keys { path: path.clone(), source };
    if !path.exists() {
        // Before there is a file, so that a wrong provider leaves none behind.
        master.current().and_then(|id| master.key(&id)).map_err(|error| failed(error.into()))?;
        files::replace(&path, &[&pages::fresh().map_err(failed)?])?;
    }
    let file = File::options().read(true).write(true).open(&path).on(&path)?;
    // What a killed process wrote may be in the system's cache only.
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

pub(super) fn in_memory(master: Arc<dyn MasterKeys>) -> Result<Keys, KeyError> {
    open(Box::new(pages::fresh()?), master, None).map_err(|unopened| match unopened {
        NotOpen::Key(error) => error,
        // It was made a moment ago.
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
        if let Kept::Live { master, .. } = record.kept {
            one_of_each.entry(master).or_insert((record.subject, slot));
        }
        found.push((record.subject, slot, record.kept == Kept::Forgotten));
    })
    .map_err(NotOpen::Pages)?;
    let subjects = found.len();
    let (identity, salt) = (pages.header().file, pages.header().salt.clone());
    let inner = Inner::new(pages, census, found);
    if inner.subjects() != subjects as u64 {
        return Err(NotOpen::Pages(Unopened::Damaged("a subject has two slots")));
    }
    inner.try_masters(&one_of_each, &*master).map_err(NotOpen::Key)?;
    if census.damaged + census.mended + census.unfinished > 0 {
        tracing::warn!(
            target: "actuarius::keys",
            damaged = census.damaged, mended = census.mended, unfinished = census.unfinished,
            "the key file was not as it should be"
        );
    }
    let (forgotten, erased_snapshots) = (inner.forgotten.into(), Default::default());
    let (inner, lock) = (Mutex::new(inner), Mutex::new(lock));
    Ok(Keys { master, identity, salt, inner, forgotten, erased_snapshots, lock })
}
