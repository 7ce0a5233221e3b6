//! Restoring a backup into a store of its own.

use std::path::Path;

use actuarius_domain::Position;
use actuarius_persistence::backup::{self, BackupError, Engine, Restored, Until};
use actuarius_persistence::{Lineage, OnProgress, OpenError, Store};

use crate::options::SledOptions;
use crate::{create, open};

/// Creates restored stores in sled.
struct Sled;

impl Engine for Sled {
    fn create(&self, directory: &Path) -> Result<Store, OpenError> {
        open::open(directory, &SledOptions::default())
    }

    fn adopt(&self, directory: &Path, from: &Lineage, until: Position) -> Result<(), OpenError> {
        create::adopt_history(directory, from, until)
    }
}

/// Restores a backup into the directory `to`, which must be empty or missing.
///
/// The new store has an identity of its own and shares the history of the store that was backed up. Its
/// checkpoints are those of the newest run that ends at or before `until`. It is built in
/// `store.restoring` and renamed into place when all of it is durable.
///
/// # Errors
/// Returns a [`BackupError`]; then there is no store at `to`. An unfinished store may be left in
/// `store.restoring`; the next attempt removes it.
pub fn restore(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    backup::restore(&Sled, from, to, until, progress)
}
