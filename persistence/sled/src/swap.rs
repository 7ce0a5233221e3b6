//! A compacted store takes the place of the old one.
//!
//! ```text
//! store.creating/   the new one is made here, then filled
//! store.compacted/  it is whole and on disk
//! store.old/        the one that was in its place
//! ```
//!
//! The new store gets its name `store.compacted` when all of it is on disk; then the old one is renamed
//! to `store.old`, the new one to `store`, and the old one is removed. Whatever a power cut leaves,
//! [`settle`] ends with one whole store, when it is opened or compacted the next time.

use std::fs;
use std::path::{Path, PathBuf};

use actuarius_persistence::OpenError;
use actuarius_persistence::files::{self, OnFile};

use crate::files::Files;

/// Ends what a power cut or a kill interrupted: there is one store then, or none as before. The store's
/// lock is held.
pub(super) fn settle(directory: &Path) -> Result<(), OpenError> {
    let Places { store, compacted, old, .. } = Places::of(directory);
    if !store.exists() && compacted.exists() {
        fs::rename(&compacted, &store).on(&store)?;
        files::sync(directory)?;
    }
    if !store.exists() && old.exists() {
        fs::rename(&old, &store).on(&store)?;
        files::sync(directory)?;
    }
    // The store may have been written to since a copy of it was made and not put into its place.
    for superfluous in [compacted, old] {
        if superfluous.exists() {
            fs::remove_dir_all(&superfluous).on(&superfluous)?;
        }
    }
    Ok(())
}

/// Where a store is while it is compacted.
pub(super) struct Places {
    pub(super) store: PathBuf,
    pub(super) creating: PathBuf,
    pub(super) compacted: PathBuf,
    pub(super) old: PathBuf,
}

impl Places {
    pub(super) fn of(directory: &Path) -> Self {
        Self {
            store: Files::store(directory).root,
            creating: Files::creating(directory).root,
            compacted: directory.join("store.compacted"),
            old: directory.join("store.old"),
        }
    }
}
