//! Archived segments in a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{Item, Manifest};
use super::place::{Place, copied, file_of, names};
use crate::archive::segment::Segment;
use crate::crash_points;
use crate::files;

/// Copies the segments in the directory `archive` that no previous run has in their current form.
pub(super) fn copy_new(
    archive: &Path,
    place: &Place,
    before: &[Manifest],
    number: u32,
) -> Result<Vec<Item>, BackupError> {
    if !archive.is_dir() {
        return Ok(vec![]);
    }
    // A segment that was rewritten without a deleted stream keeps its id and gets shorter.
    let known = before.iter().flat_map(|it| &it.archived).map(|it| (it.id, it.bytes));
    let known: BTreeMap<_, _> = known.collect();
    let mut items = Vec::new();
    for name in names(archive).on(archive)?.iter().filter(|name| name.ends_with(".seg")) {
        let from = archive.join(name);
        let (id, bytes) = (Segment::open(&from)?.head().id, fs::metadata(&from).on(&from)?.len());
        if known.get(&id) != Some(&bytes) {
            items.push(copy(&from, id, place, number)?);
        }
    }
    Ok(items)
}

fn copy(from: &Path, id: Uuid, place: &Place, number: u32) -> Result<Item, BackupError> {
    let directory = place.path.join("archive");
    crash_points::here().on(&directory)?;
    files::create_directory(&directory)?;
    let file = format!("archive/{}", file_of(number, &format!(".{id}.seg")));
    let to = place.path.join(&file);
    let (bytes, hash) = copied(from, &to)?;
    Segment::open(&to)?.verify()?;
    Ok(Item { file, id, bytes, hash })
}

/// Copies the archived segments `wanted` into the archive of a restored store that ends in the run
/// `last`. Returns the ids of those that the backup contains.
pub(super) fn copy_back(
    place: &Place,
    manifests: &[Manifest],
    last: u32,
    wanted: &BTreeSet<Uuid>,
    archive: &Path,
) -> Result<BTreeSet<Uuid>, BackupError> {
    // The newest up to that run first, then segments that were archived later.
    let (until, later) = manifests.split_at(manifests.len().min(last as usize));
    let newest_first = until.iter().rev().chain(later).flat_map(|it| &it.archived);
    let mut found = BTreeSet::new();
    for item in newest_first.filter(|item| wanted.contains(&item.id)) {
        if found.insert(item.id) {
            let from = place.checked(item)?;
            files::create_directory(archive)?;
            // Replaces a file that an interrupted restore left.
            copied(&from, &archive.join(format!("{}.seg", item.id)))?;
        }
    }
    Ok(found)
}
