//! The store that a command works on: the one in a directory, a temporary copy restored from a backup, or what is
//! left of a damaged store.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius::erasure::keys::{KeyError, Keys, MasterKeys};
use actuarius::store::backup::{self, BackupError, Until};
use actuarius::store::{Reader, Store, sled, with_sealer};
use actuarius::{OpenError, RuntimeBuilder, inspection};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::error::ToolError;
use crate::forensics::{self, Notice};
use crate::progress::Progress;

/// What a directory contains.
pub(crate) enum Contents {
    Store,
    Backup(Vec<backup::Run>),
}

impl Contents {
    /// Finds out what `directory` contains, without changing it.
    pub(crate) fn of(directory: &Path) -> Result<Self, ToolError> {
        // An interrupted compaction is completed when the store is opened.
        if ["store", "store.compacted"].iter().any(|name| directory.join(name).is_dir()) {
            return Ok(Self::Store);
        }
        match backup::runs(directory) {
            Ok(runs) => Ok(Self::Backup(runs)),
            Err(BackupError::NotABackup { .. }) => Err(ToolError::NoStore(directory.to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

/// An open store. While it is open, no other process can open it.
pub(crate) struct OpenStore {
    pub(crate) directory: PathBuf,
    pub(crate) reader: Arc<dyn Reader>,
    /// `None` once an engine has taken it.
    store: Option<Store>,
    /// The temporary directory to which a backup was restored, or what is left of a damaged store was copied.
    copy: Option<TempDir>,
    /// The directory of the keys.
    keys: Option<PathBuf>,
}

impl OpenStore {
    /// Opens the store in `directory`, or a copy restored from the backup there. Unlike `Runtime::open`, this
    /// creates no new store.
    pub(crate) fn open(directory: &Path) -> Result<Self, ToolError> {
        match Contents::of(directory)? {
            Contents::Store => Self::of(directory, None),
            Contents::Backup(_) => {
                let copy = tempfile::Builder::new().prefix("actuarius-").tempdir()?;
                restore(directory, copy.path(), Until::End)?;
                Self::of(directory, Some(copy))
            }
        }
    }

    fn of(directory: &Path, copy: Option<TempDir>) -> Result<Self, ToolError> {
        let store = sled::open(copy.as_ref().map_or(directory, TempDir::path))?;
        let (directory, reader) = (directory.to_owned(), store.reader.clone());
        let keys = copy.is_none().then(|| directory.join("keys"));
        Ok(Self { directory, reader, store: Some(store), copy, keys })
    }

    /// Copies a store that may be damaged, and opens what is left of it. Nothing can be written. Its keys are
    /// copied as well, because opening them repairs them.
    pub(crate) fn what_is_left(directory: &Path, notice: &Notice) -> Result<Self, ToolError> {
        if matches!(Contents::of(directory)?, Contents::Backup(_)) {
            let what = "a backup is read without --forensics; its runs are checked with `verify`";
            return Err(ToolError::Other(what.to_owned()));
        }
        let copy = tempfile::Builder::new().prefix("actuarius-forensics-").tempdir()?;
        let left = sled::open_for_forensics(directory, copy.path().join("store"))?;
        notice.set(&left);
        let keys = copy.path().join("keys");
        forensics::copy_keys(&directory.join("keys"), &keys)?;
        let (directory, reader) = (directory.to_owned(), left.reader.clone());
        let store = Some(forensics::read_only(left.reader));
        Ok(Self { directory, reader, store, copy: Some(copy), keys: Some(keys) })
    }

    /// The store, for a command that changes it.
    pub(crate) fn writable(&mut self) -> Result<&mut Store, ToolError> {
        if self.copy.is_some() {
            return Err(ToolError::Backup(self.directory.clone()));
        }
        self.store.as_mut().ok_or_else(|| {
            ToolError::Other("the store is already in use by this command".to_owned())
        })
    }

    /// Decrypts personal data in everything that is read from now on. A backup has no keys, so its personal
    /// data stays sealed.
    pub(crate) fn unlock(&mut self, master: Arc<dyn MasterKeys>) -> Result<(), ToolError> {
        let Some(keys) = self.keys(master)? else { return Ok(()) };
        if let Some(store) = self.store.take() {
            let store = with_sealer(store, keys);
            self.reader = store.reader.clone();
            self.store = Some(store);
        }
        Ok(())
    }

    /// The keys of the subjects, if the store contains personal data. Creates none.
    pub(crate) fn keys(&self, master: Arc<dyn MasterKeys>) -> Result<Option<Arc<Keys>>, ToolError> {
        let Some(path) = self.keys.clone() else { return Ok(None) };
        let expected = inspection::key_file(&*self.reader)?;
        let other = |expected, found| {
            let source = KeyError::OtherFile { expected, found };
            ToolError::Open(OpenError::Keys { path: path.clone(), source })
        };
        if !Keys::exist_in(&path) {
            return expected.map_or(Ok(None), |it| Err(other(it, "but there is none".to_owned())));
        }
        let keys = Keys::open(&path, master)?;
        match expected.filter(|it| *it != keys.identity()) {
            Some(expected) => Err(other(expected, format!("not with {}", keys.identity()))),
            None => Ok(Some(keys)),
        }
    }

    /// Whether the store has keys that could be opened.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.as_ref().is_some_and(Keys::exist_in)
    }

    /// A runtime on the store. It writes nothing on its own.
    pub(crate) fn engine(&mut self) -> Result<Engine, ToolError> {
        self.start(RuntimeBuilder::default())
    }

    /// A runtime that can forget subjects, including in the views beside the store.
    pub(crate) fn forgetting_engine(&mut self, keys: Arc<Keys>) -> Result<Engine, ToolError> {
        let views = sled::views(self.directory.join("views"));
        self.start(RuntimeBuilder::default().views(views).personal_data_with(keys))
    }

    fn start(&mut self, builder: RuntimeBuilder) -> Result<Engine, ToolError> {
        let store = self.store.take();
        let store = store.ok_or_else(|| {
            ToolError::Other("the store is already in use by this command".to_owned())
        })?;
        Engine::start(builder, store)
    }
}

/// Restores a backup, with a progress bar.
pub(crate) fn restore(
    from: &Path,
    to: &Path,
    until: Until,
) -> Result<backup::Restored, BackupError> {
    let bar = Progress::of("restoring", 0, false);
    sled::restore(from, to, until, &mut |progress| {
        bar.at_of(progress.position.get(), progress.end.get());
        ControlFlow::Continue(())
    })
}
