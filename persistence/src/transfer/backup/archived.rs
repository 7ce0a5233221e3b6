//! Copies the segments of an archive into a backup.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{Item, Manifest};
use super::place::{Place, copied, file_of};
use crate::archive::files as segments_of;
use crate::archive::segment::{Kind, Segment, SegmentError};
use crate::crash_points;
use crate::files;

/// How often the directory is read again because deletions have replaced files of it. Each time, what has
/// been copied so far stays copied.
pub(super) const LISTINGS: usize = 1_000;

/// Copies the segments in the directory `archive` that no run has in their current form, and adds them to
/// the manifest. The archive may be written and purged at the same time.
pub(super) fn copy_new(
    archive: &Path,
    place: &Place,
    before: &[Manifest],
    manifest: &mut Manifest,
) -> Result<(), BackupError> {
    let mut known = Known::default();
    before.iter().flat_map(|it| &it.archived).for_each(|item| known.add(item));
    manifest.archived.iter().for_each(|item| known.add(item));
    for _ in 0..LISTINGS {
        if copy_present(archive, place, &mut known, manifest)? {
            return Ok(());
        }
    }
    let source = io::Error::new(io::ErrorKind::Interrupted, "its files are being replaced");
    Err(source).on(archive)
}

/// Copies what is there. Returns false if a file disappeared meanwhile: a deletion has replaced it.
fn copy_present(
    archive: &Path,
    place: &Place,
    known: &mut Known,
    manifest: &mut Manifest,
) -> Result<bool, BackupError> {
    let mut is_complete = true;
    for (id, version) in current(archive, &mut is_complete)? {
        if known.has(id, &version) {
            continue;
        }
        match copy(id, &version, place, manifest.number) {
            Err(BackupError::Io { ref path, ref source })
                if *path == version.path && source.kind() == io::ErrorKind::NotFound =>
            {
                is_complete = false;
            }
            item => {
                let item = item?;
                known.add(&item);
                manifest.archived.push(item);
            }
        }
    }
    Ok(is_complete)
}

/// One file of an archived segment.
struct Version {
    path: PathBuf,
    bytes: u64,
    commits: u64,
}

/// Returns the file of each segment. A purge that is not finished leaves two: the one with fewer commits
/// lacks those of a deleted stream.
fn current(archive: &Path, is_complete: &mut bool) -> Result<BTreeMap<Uuid, Version>, BackupError> {
    let mut found = BTreeMap::<Uuid, Version>::new();
    for path in segments_of(archive).on(archive)? {
        let segment = match Segment::open(&path) {
            Err(SegmentError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                *is_complete = false;
                continue;
            }
            segment => segment?,
        };
        if segment.head().kind != Kind::Archive {
            continue;
        }
        let (commits, bytes) = (segment.summary().commits, segment.bytes());
        let version = Version { path, bytes, commits };
        let other = found.get(&segment.head().id);
        if other.is_none_or(|other| commits < other.commits) {
            found.insert(segment.head().id, version);
        }
    }
    Ok(found)
}

/// The versions of segments that are in the backup. A purge only takes commits out of a segment, so the
/// number of commits tells its versions apart.
#[derive(Default)]
struct Known {
    by_commits: HashSet<(Uuid, u64)>,
    /// Those of releases that did not write the number of commits.
    by_bytes: HashSet<(Uuid, u64)>,
}

impl Known {
    fn add(&mut self, item: &Item) {
        match commits_of(item) {
            Some(commits) => self.by_commits.insert((item.id, commits)),
            None => self.by_bytes.insert((item.id, item.bytes)),
        };
    }

    fn has(&self, id: Uuid, version: &Version) -> bool {
        self.by_commits.contains(&(id, version.commits))
            || self.by_bytes.contains(&(id, version.bytes))
    }
}

/// Returns the name of a version of a segment. No two versions have the same name.
fn name_of(number: u32, id: Uuid, commits: u64) -> String {
    format!("archive/{}", file_of(number, &format!(".{id}.{commits}.seg")))
}

/// Returns the number of commits that the name of an item contains.
fn commits_of(item: &Item) -> Option<u64> {
    let (name, commits) = item.file.strip_suffix(".seg")?.rsplit_once('.')?;
    commits.parse().ok().filter(|_| name.ends_with(&item.id.to_string()))
}

fn copy(id: Uuid, from: &Version, place: &Place, number: u32) -> Result<Item, BackupError> {
    let directory = place.path.join("archive");
    crash_points::here().on(&directory)?;
    files::create_directory(&directory)?;
    let file = name_of(number, id, from.commits);
    let to = place.path.join(&file);
    let (bytes, hash) = copied(&from.path, &to)?;
    Segment::open(&to)?.verify()?;
    Ok(Item { file, id, bytes, hash })
}
