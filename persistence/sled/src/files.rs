//! Where a store keeps its files.

use std::path::{Path, PathBuf};

/// The files of a store.
pub(crate) struct Files {
    pub(crate) root: PathBuf,
}

impl Files {
    pub(crate) fn store(directory: &Path) -> Self {
        Self { root: directory.join("store") }
    }

    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a new store is built before it gets its name.
    pub(crate) fn creating(directory: &Path) -> Self {
        Self { root: directory.join("store.creating") }
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.root.join("mark")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.log().join("db")
    }
}
