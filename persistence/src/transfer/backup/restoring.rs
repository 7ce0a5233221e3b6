//! Restores a backup into a directory, for any engine that keeps a store in one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use actuarius_domain::Position;
use uuid::Uuid;

use super::error::OnBackup;
use super::loading::load_from;
use super::place::{Place, locked, names};
use super::{BackupError, Until, archived};
use crate::files;
use crate::record::chain::ChainEnd;
use crate::store::Store;
use crate::{Lineage, OnProgress, OpenError, crash_points};

/// Where a store is built while it is being restored, inside the directory it will be in.
pub const RESTORING: &str = "store.restoring";

/// Where the archive of a store is, beside it.
const ARCHIVE: &str = "archive";

/// An engine that keeps a store in a directory, as restoring needs it.
pub trait Engine {
    /// Creates an empty store in the directory.
    ///
    /// # Errors
    /// [`OpenError`].
    fn create(&self, directory: &Path) -> Result<Store, OpenError>;

    /// Records in the closed store that it shares the history of another one up to a position.
    ///
    /// # Errors
    /// [`OpenError`].
    fn adopt(&self, directory: &Path, from: &Lineage, until: Position) -> Result<(), OpenError>;
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Where the store ends.
    pub end: ChainEnd,
    /// How many commits it has.
    pub commits: u64,
    /// How many notes, and the position of the run they were taken with. None when the first run ended
    /// behind what was wanted: subscriptions begin as if they were new.
    pub notes: Option<(u64, Position)>,
    /// The segments of the archive that came back with it.
    pub archived: BTreeSet<Uuid>,
    /// Segments of the archive that it needs and the backup does not have.
    pub archived_missing: BTreeSet<Uuid>,
}

/// Restores a backup into the directory `to`, which must be empty or not there.
///
/// The store has a new identity, and shares the history of the one that was backed up: its checkpoints go
/// on from the newest run that ends at or before what is wanted. It is built aside, in `store.restoring`, and
/// is there when all of it is.
///
/// # Errors
/// [`BackupError`]: there is no store at `to`. What was built may be left in `store.restoring`; the next try
/// removes it.
pub fn restore(
    engine: &dyn Engine,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    let (place, to) = (Place::open(from.as_ref())?, to.as_ref());
    let manifests = place.manifests()?;
    crash_points::here().on(to)?;
    files::create_directory(to)?;
    // That of the store that is going to be here: nobody opens it meanwhile.
    let _lock = locked(to, "store.lock")?;
    must_be_empty(to)?;
    let aside = to.join(RESTORING);
    if aside.exists() {
        crash_points::here().on(&aside)?;
        fs::remove_dir_all(&aside).on(&aside)?;
    }
    crash_points::here().on(&aside)?;
    files::create_directory(&aside)?;
    let mut store = engine.create(&aside)?;
    let loaded = load_from(&place, &manifests, &mut store, until, progress)?;
    drop(store);
    crash_points::here().on(&aside)?;
    engine.adopt(&aside, &loaded.lineage, loaded.end.position)?;
    let (wanted, archive) = (&loaded.archived, to.join(ARCHIVE));
    let found = archived::copy_back(&place, &manifests, loaded.run, wanted, &archive)?;
    give_name(&aside, to)?;
    Ok(Restored {
        end: loaded.end,
        commits: loaded.commits,
        notes: loaded.notes,
        archived_missing: wanted - &found,
        archived: found,
    })
}

fn must_be_empty(to: &Path) -> Result<(), BackupError> {
    // What a restore that was cut short has left is no use to anybody.
    let ours = [RESTORING, ARCHIVE, "store.lock"];
    let is_cut_short = to.join(RESTORING).exists();
    let others = names(to).on(to)?;
    let stranger = |name: &&String| match name.as_str() {
        ARCHIVE => !is_cut_short,
        name => !ours.contains(&name),
    };
    match others.iter().find(stranger) {
        Some(_) => Err(BackupError::NotEmpty { path: to.to_owned() }),
        None => Ok(()),
    }
}

/// From here on the store is there.
fn give_name(aside: &Path, to: &Path) -> Result<(), BackupError> {
    let (built, store) = (aside.join("store"), to.join("store"));
    crash_points::here().on(&built)?;
    files::sync_tree(&built)?;
    crash_points::here().on(&store)?;
    fs::rename(&built, &store).on(&store)?;
    crash_points::here().on(to)?;
    files::sync(to)?;
    if crash_points::here().is_ok() {
        // Beside a store it means nothing any more.
        let _ = fs::remove_dir_all(aside);
    }
    Ok(())
}
