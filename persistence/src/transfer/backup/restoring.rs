//! Restores a backup into a directory, for any engine that keeps a store in one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use actuarius_domain::Position;
use uuid::Uuid;

use super::super::progress::OnProgress;
use super::error::OnBackup;
use super::loading::load_from;
use super::manifest::Manifest;
use super::place::{Place, locked, names};
use super::versions::{Archived, Versions};
use super::{BackupError, Unended, Until};
use crate::crash_points;
use crate::error::OpenError;
use crate::files::{self, RESTORING};
use crate::record::chain::ChainEnd;
use crate::record::lineage::Lineage;
use crate::store::Store;

/// The directory of the archive, beside the store.
const ARCHIVE: &str = "archive";

/// An engine that keeps a store in a directory, for restoring.
pub trait Engine {
    /// Creates an empty store in the directory.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the store cannot be created.
    fn create(&self, directory: &Path) -> Result<Store, OpenError>;

    /// Records in the closed store that it shares the history of another one up to a position.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the lineage cannot be written.
    fn adopt(&self, directory: &Path, from: &Lineage, until: Position) -> Result<(), OpenError>;
}

/// The result of restoring a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The end of the restored log.
    pub end: ChainEnd,
    /// The number of commits.
    pub commits: u64,
    /// The number of notes, and the position of the run that contains them. `None` if the first run
    /// ends after the requested point: subscriptions then start as new ones.
    pub notes: Option<(u64, Position)>,
    /// The archived segments that were restored.
    pub archived: BTreeSet<Uuid>,
    /// The archived segments that the store needs and the backup does not contain.
    pub archived_missing: BTreeSet<Uuid>,
    /// The number of commits whose events the store had deleted by the end, and which were restored without
    /// them.
    pub deleted: u64,
    /// The aggregates whose events were deleted, and whose end is after the requested point. Delete them, so that their
    /// ids can be used again.
    pub unended: Unended,
}

/// Restores a backup into the directory `to`, which must be empty or must not exist.
///
/// The store has a new identity, and shares the history of the one that was backed up: its checkpoints
/// continue from the newest run that ends at or before the requested point. It is built in
/// `store.restoring`, and renamed when it is complete.
///
/// # Errors
/// Returns [`BackupError`] if the store was not restored. `to` then contains no store. Files may be left in
/// `store.restoring`; the next attempt removes them.
pub fn restore(
    engine: &dyn Engine,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    let (place, to) = (Place::open(from.as_ref())?, &*files::absolute(to.as_ref()));
    let manifests = place.manifests()?;
    crash_points::here().on(to)?;
    files::create_directory(to)?;
    // The lock of the restored store, so that it is not opened before it is complete.
    let _lock = locked(to, "store.lock")?;
    check_empty(to)?;
    let building = to.join(RESTORING);
    if building.exists() {
        // An interrupted restore left it, perhaps one to another point. The mark of it is removed last.
        for left in [&to.join(ARCHIVE), &building].into_iter().filter(|left| left.exists()) {
            crash_points::here().on(left)?;
            fs::remove_dir_all(left).on(left)?;
        }
    }
    crash_points::here().on(&building)?;
    files::create_directory(&building)?;
    let mut store = engine.create(&building)?;
    let (loaded, commits) = load_from(&place, &manifests, &mut store, until, progress)?;
    drop(store);
    crash_points::here().on(&building)?;
    engine.adopt(&building, &loaded.lineage, loaded.end.position)?;
    let archived = restore_archive(&place, &manifests, &commits, &to.join(ARCHIVE))?;
    publish(&building, to)?;
    Ok(Restored {
        end: loaded.end,
        commits: loaded.commits,
        notes: loaded.notes,
        archived_missing: &loaded.archived - &archived,
        archived,
        deleted: loaded.deleted,
        unended: loaded.unended,
    })
}

/// Returns the segments that the backup contains.
fn restore_archive(
    place: &Place,
    manifests: &[Manifest],
    wanted: &Archived,
    archive: &Path,
) -> Result<BTreeSet<Uuid>, BackupError> {
    let versions = Versions::of(place, manifests.iter());
    let mut found = BTreeSet::new();
    for (segment, positions) in wanted.iter().filter(|(segment, _)| versions.has(**segment)) {
        versions.restore(*segment, positions, archive)?;
        found.insert(*segment);
    }
    Ok(found)
}

fn check_empty(to: &Path) -> Result<(), BackupError> {
    // What an interrupted restore left is removed.
    let own = [RESTORING, ARCHIVE, "store.lock"];
    let was_interrupted = to.join(RESTORING).exists();
    let others = names(to).on(to)?;
    let is_foreign = |name: &&String| match name.as_str() {
        ARCHIVE => !was_interrupted,
        name => !own.contains(&name),
    };
    match others.iter().find(is_foreign) {
        Some(_) => Err(BackupError::NotEmpty { path: to.to_owned() }),
        None => Ok(()),
    }
}

/// Syncs the store and renames it to its final name.
fn publish(building: &Path, to: &Path) -> Result<(), BackupError> {
    let (built, store) = (building.join("store"), to.join("store"));
    crash_points::here().on(&built)?;
    files::sync_tree(&built)?;
    crash_points::here().on(&store)?;
    fs::rename(&built, &store).on(&store)?;
    crash_points::here().on(to)?;
    files::sync(to)?;
    if crash_points::here().is_ok() {
        // It is harmless if it stays.
        let _ = fs::remove_dir_all(building);
    }
    Ok(())
}
