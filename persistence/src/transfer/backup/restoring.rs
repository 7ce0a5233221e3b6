use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::error::OnBackup;
use super::loading::load_from;
use super::place::{Place, locked, names};
use super::{BackupError, Until, archived};
use crate::record::chain::ChainEnd;
use crate::files;
use crate::disk::{self, RESTORING};
use crate::{OnProgress, crash_points};
use actuarius_domain::Position;

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
    let mut store = disk::open(&aside)?;
    let loaded = load_from(&place, &manifests, &mut store, until, progress)?;
    drop(store);
    crash_points::here().on(&aside)?;
    disk::claim(&aside, &loaded.lineage, loaded.end.position)?;
    let (wanted, archive) = (&loaded.archived, to.join(disk::ARCHIVE));
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
    let ours = [RESTORING, disk::ARCHIVE, "store.lock"];
    let is_cut_short = to.join(RESTORING).exists();
    let others = names(to).on(to)?;
    let stranger = |name: &&String| match name.as_str() {
        disk::ARCHIVE => !is_cut_short,
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
