//! The store a command works on.

use std::path::{Path, PathBuf};

use actuarius::persistence::{Reader, Store, disk};

use crate::trouble::Trouble;

/// An open store. Nobody else has it open meanwhile.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) store: Store,
}

impl Place {
    /// Opens the store that is in `directory`. Unlike a runtime's opening, this makes none.
    pub(crate) fn open(directory: &Path) -> Result<Self, Trouble> {
        if !directory.join("store").is_dir() {
            return Err(Trouble::NoStore(directory.to_owned()));
        }
        let store = disk::open(directory)?;
        Ok(Self { directory: directory.to_owned(), store })
    }

    pub(crate) fn reader(&self) -> &dyn Reader {
        &*self.store.reader
    }
}
