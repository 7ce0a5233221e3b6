//! The store a command works on: in a directory, or in a backup, of which a copy is made to look into.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius::erasure::keys::{self, KeyError, Keys, MasterKeys};
use actuarius::store::backup::{self, BackupError, Until};
use actuarius::store::views::Views;
use actuarius::store::{Reader, Store, guard, sled};
use actuarius::{OpenError, RuntimeBuilder, inspection};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::progress::Progress;
use crate::trouble::Trouble;

/// What a directory holds.
pub(crate) enum Held {
    Store,
    Backup(Vec<backup::Run>),
}

impl Held {
    /// Looks what is in `directory`, which is not changed.
    pub(crate) fn by(directory: &Path) -> Result<Self, Trouble> {
        // Compacting that was interrupted is ended when the store is opened.
        if ["store", "store.compacted"].iter().any(|name| directory.join(name).is_dir()) {
            return Ok(Self::Store);
        }
        match backup::runs(directory) {
            Ok(runs) => Ok(Self::Backup(runs)),
            Err(BackupError::NotABackup { .. }) => Err(Trouble::NoStore(directory.to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

/// An open store. Nobody else has it open meanwhile.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) reader: Arc<dyn Reader>,
    /// None as soon as an engine has it.
    store: Option<Store>,
    /// Where a backup was restored to be looked into.
    copy: Option<TempDir>,
}

impl Place {
    /// Opens the store that is in `directory`, or a copy of the backup that is there. Unlike a runtime's
    /// opening, this makes no new store.
    pub(crate) fn open(directory: &Path) -> Result<Self, Trouble> {
        match Held::by(directory)? {
            Held::Store => Self::of(directory, None),
            Held::Backup(_) => {
                let copy = tempfile::Builder::new().prefix("actuarius-").tempdir()?;
                restore(directory, copy.path(), Until::End)?;
                Self::of(directory, Some(copy))
            }
        }
    }

    fn of(directory: &Path, copy: Option<TempDir>) -> Result<Self, Trouble> {
        let store = sled::open(copy.as_ref().map_or(directory, TempDir::path))?;
        let (directory, reader) = (directory.to_owned(), store.reader.clone());
        Ok(Self { directory, reader, store: Some(store), copy })
    }

    /// The store, to be changed.
    pub(crate) fn writable(&mut self) -> Result<&mut Store, Trouble> {
        if self.copy.is_some() {
            return Err(Trouble::Backup(self.directory.clone()));
        }
        self.store.as_mut().ok_or_else(|| Trouble::Other("the store is in use".to_owned()))
    }

    /// Opens personal data in what is read from now on. A backup has no keys, so there it stays sealed.
    pub(crate) fn unlock(&mut self, master: Arc<dyn MasterKeys>) -> Result<(), Trouble> {
        let Some(keys) = self.keys(master)? else { return Ok(()) };
        if let Some(store) = self.store.take() {
            let store = guard(store, keys);
            self.reader = store.reader.clone();
            self.store = Some(store);
        }
        Ok(())
    }

    /// The keys of the subjects, if the store has personal data. None are made.
    pub(crate) fn keys(&self, master: Arc<dyn MasterKeys>) -> Result<Option<Arc<Keys>>, Trouble> {
        if self.copy.is_some() {
            return Ok(None);
        }
        let (path, expected) = (self.key_directory(), inspection::key_file(&*self.reader)?);
        let other = |expected, found| {
            let source = KeyError::OtherFile { expected, found };
            Trouble::Open(OpenError::Keys { path: path.clone(), source })
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

    /// Whether there are keys that could be opened.
    pub(crate) fn has_keys(&self) -> bool {
        self.copy.is_none() && Keys::exist_in(self.key_directory())
    }

    fn key_directory(&self) -> PathBuf {
        self.directory.join("keys")
    }

    /// A runtime on the store, from which nothing is written unless it is asked to.
    pub(crate) fn engine(&mut self) -> Result<Engine, Trouble> {
        self.start(RuntimeBuilder::default())
    }

    /// A runtime that can forget subjects, also in the views beside the store.
    pub(crate) fn forgetting_engine(&mut self, keys: Arc<Keys>) -> Result<Engine, Trouble> {
        let views = sled::views(self.directory.join("views"));
        self.start(RuntimeBuilder::default().views(views).personal_data_with(keys))
    }

    fn start(&mut self, builder: RuntimeBuilder) -> Result<Engine, Trouble> {
        let store = self.store.take();
        let store = store.ok_or_else(|| Trouble::Other("the store is in use".to_owned()))?;
        Engine::start(builder, store)
    }
}

/// Restores a backup, with a bar.
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
