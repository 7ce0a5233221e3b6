//! Segments of the archive, beside those of the log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{Item, Manifest};
use super::place::{Place, copied, names};
use crate::cuts;
use crate::disk::files;
use crate::segment::Segment;

/// Copies the segments in the directory `archive` that no run before has, and lists them.
pub(super) fn copy_new(
    archive: &Path,
    place: &Place,
    before: &[Manifest],
) -> Result<Vec<Item>, BackupError> {
    if !archive.is_dir() {
        return Ok(vec![]);
    }
    let known: BTreeSet<_> = before.iter().flat_map(|it| &it.archived).map(|it| it.id).collect();
    let mut items = Vec::new();
    for name in names(archive).on(archive)?.iter().filter(|name| name.ends_with(".seg")) {
        let from = archive.join(name);
        let id = Segment::open(&from)?.head().id;
        if !known.contains(&id) {
            items.push(copy(&from, id, place)?);
        }
    }
    Ok(items)
}

fn copy(from: &Path, id: Uuid, place: &Place) -> Result<Item, BackupError> {
    let directory = place.path.join("archive");
    cuts::here().on(&directory)?;
    files::create_directory(&directory)?;
    let file = format!("archive/{id}.seg");
    let to = place.path.join(&file);
    let (bytes, hash) = copied(from, &to)?;
    Segment::open(&to)?.verify()?;
    Ok(Item { file, id, bytes, hash })
}

/// Copies those of the archived segments `wanted` that the backup has into the archive of a restored
/// store, and tells which it has.
pub(super) fn copy_back(
    place: &Place,
    manifests: &[Manifest],
    wanted: &BTreeSet<Uuid>,
    archive: &Path,
) -> Result<BTreeSet<Uuid>, BackupError> {
    let items = manifests.iter().flat_map(|manifest| &manifest.archived);
    let mut found = BTreeSet::new();
    for item in items.filter(|item| wanted.contains(&item.id)) {
        let from = place.checked(item)?;
        files::create_directory(archive)?;
        let to = archive.join(format!("{}.seg", item.id));
        if to.exists() {
            // Of a restore that was cut short.
            fs::remove_file(&to).on(&to)?;
        }
        copied(&from, &to)?;
        found.insert(item.id);
    }
    Ok(found)
}
