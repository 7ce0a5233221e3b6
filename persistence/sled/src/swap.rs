//! Replacing a store by its compacted copy, so that a crash at any step leaves one whole store.
//!
//! ```text
//! store.creating/   the copy is created and filled here
//! store.compacted/  the copy is complete and durable
//! store.old/        the store that the copy replaces
//! ```
//!
//! The copy is renamed to `store.compacted` when all of it is durable. Then the old store is renamed to
//! `store.old`, the copy to `store`, and the old store is removed. Whatever a power cut leaves,
//! [`recover`] makes one whole store of it when the store is opened or compacted the next time.

use std::fs;
use std::path::{Path, PathBuf};

use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{OpenError, crash_points};

use crate::files::Files;

/// Finishes a replacement that a power cut or a kill interrupted. Afterwards there is one store, or still
/// none. The caller holds the store's lock.
pub(super) fn recover(directory: &Path) -> Result<(), OpenError> {
    let Places { store, compacted, old, .. } = Places::of(directory);
    if !store.exists() && compacted.exists() {
        crash_points::here().on(&store)?;
        fs::rename(&compacted, &store).on(&store)?;
        files::sync(directory)?;
    }
    if !store.exists() && old.exists() {
        fs::rename(&old, &store).on(&store)?;
        files::sync(directory)?;
    }
    // The store may have been written to since the copy was made, so the copy is not used.
    for superfluous in [compacted, old] {
        if superfluous.exists() {
            crash_points::here().on(&superfluous)?;
            fs::remove_dir_all(&superfluous).on(&superfluous)?;
        }
    }
    Ok(())
}

/// The directories of a store while it is compacted.
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
