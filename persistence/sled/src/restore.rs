//! Restoring a backup into a store of its own.

use std::path::Path;

use actuarius_domain::Position;
use actuarius_persistence::backup::{self, BackupError, Engine, Restored, Until};
use actuarius_persistence::{Lineage, OnProgress, OpenError, Store};

use crate::options::SledOptions;
use crate::{create, open};

/// sled, as the engine of a restored store.
struct Sled;

impl Engine for Sled {
    fn create(&self, directory: &Path) -> Result<Store, OpenError> {
        open::open(directory, &SledOptions::default())
    }

    fn adopt(&self, directory: &Path, from: &Lineage, until: Position) -> Result<(), OpenError> {
        create::claim(directory, from, until)
    }
}

/// Restores a backup into the directory `to`, which must be empty or missing.
///
/// The store has a new identity, and shares the history of the one that was backed up: its checkpoints
/// continue from the newest run that ends at or before what is wanted. It is built aside, in
/// `store.restoring`, and gets its name when all of it is on disk.
///
/// # Errors
/// [`BackupError`]: there is no store at `to`. What was built may be left in `store.restoring`; the next
/// try removes it.
pub fn restore(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    backup::restore(&Sled, from, to, until, progress)
}
