//! The paths of a store's files.

use std::path::{Path, PathBuf};

/// The paths in a store's own directory.
pub(crate) struct Files {
    pub(crate) root: PathBuf,
}

impl Files {
    /// Returns the paths of the store in the directory that the user named.
    pub(crate) fn store(directory: &Path) -> Self {
        Self { root: directory.join("store") }
    }

    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Returns the paths of a new store before it is renamed into place.
    pub(crate) fn creating(directory: &Path) -> Self {
        Self { root: directory.join("store.creating") }
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    pub(crate) fn high_water_mark(&self) -> PathBuf {
        self.root.join("mark")
    }

    /// Returns the path of a copy of what sled would erase, which exists only while the store is opened.
    pub(crate) fn torn(&self) -> PathBuf {
        self.root.join("torn")
    }

    /// Returns the path of such a copy before it is complete, and while it is removed.
    pub(crate) fn torn_writing(&self) -> PathBuf {
        self.root.join("torn.writing")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }
}
