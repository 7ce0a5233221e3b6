//! Removes a deleted stream from the segments of the archive.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use actuarius_domain::{Position, StreamId, Version};
use uuid::Uuid;

use super::error::ArchiveError;
use super::listing::{ENDING, Work, files, remove_unfinished};
use super::segment::{Segment, SegmentError, SegmentHead, Writing};
use super::stream_sets::{StreamSet, StreamSets, hash_of};
use crate::crash_points;
use crate::error::ReadError;
use crate::record::Commit;

/// Removes the events of a deleted stream before the version `end` of its end from the archive: rewrites each
/// segment that contains any without them, with the same id, and removes the old file. Returns the number of
/// removed commits.
///
/// # Errors
/// Returns [`ArchiveError`] if a segment cannot be rewritten. Completed segments stay purged; call it
/// again for the others.
pub fn purge(directory: &Path, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
    purge_with(directory, &Purged { stream, end }, &mut StreamSets::default())
}

/// What is removed: the commits of a stream before its end. Later ones are valid.
pub(super) struct Purged<'a> {
    pub(super) stream: &'a StreamId,
    pub(super) end: Version,
}

impl Purged<'_> {
    fn has(&self, commit: &Commit) -> bool {
        commit.last_version() < self.end && commit.view().belongs_to(self.stream)
    }
}

/// Does the same, and opens only files that may contain the stream.
pub(super) fn purge_with(
    directory: &Path,
    purged: &Purged<'_>,
    sets: &mut StreamSets,
) -> Result<u64, ArchiveError> {
    let work = Work::on(directory);
    let _held = work.begin();
    remove_unfinished(directory).map_err(ReadError::from)?;
    let mut removed = 0;
    let mut kept = HashMap::new();
    let paths = files(directory).map_err(ReadError::from)?;
    sets.keep_only(&paths);
    for path in paths {
        if let Some(set) = sets.of(&path).filter(|set| !set.may_contain(purged.stream)) {
            if !is_first(&mut kept, set.segment, set.commits) {
                remove(&path)?;
            }
            continue;
        }
        let segment = Segment::open(&path)?;
        let head = segment.head();
        let (found, hashes) = count(&segment, purged)?;
        let left = segment.summary().commits - found;
        let set = StreamSet::new(head.id, left, hashes);
        removed += found;
        if !is_first(&mut kept, head.id, left) {
            // An interrupted purge left two files of the segment, which are the same without the stream.
            remove(&path)?;
        } else if found > 0 {
            let to = free_name(directory, head);
            rewrite(&segment, purged, &to)?;
            drop(segment);
            remove(&path)?;
            sets.put(to, set);
        } else {
            sets.put(path, set);
        }
    }
    Ok(removed)
}

/// Returns whether no other file with the same number of commits of this segment has been seen. A purge
/// only takes commits out of a segment.
fn is_first(kept: &mut HashMap<Uuid, u64>, id: Uuid, commits: u64) -> bool {
    kept.insert(id, commits) != Some(commits)
}

/// Counts the commits to remove, and collects the hashes of the streams of the others.
fn count(segment: &Segment, purged: &Purged<'_>) -> Result<(u64, HashSet<u64>), SegmentError> {
    let (mut found, mut hashes) = (0, HashSet::new());
    for commit in segment.commits_from(Position::NONE) {
        let commit = commit?;
        if purged.has(&commit) {
            found += 1;
        } else {
            let view = commit.view();
            hashes.insert(hash_of(view.category, view.id));
        }
    }
    Ok((found, hashes))
}

fn rewrite(segment: &Segment, purged: &Purged<'_>, path: &Path) -> Result<(), SegmentError> {
    let mut writing = Writing::create(path, segment.head())?;
    for commit in segment.commits_from(Position::NONE) {
        let commit = commit?;
        if !purged.has(&commit) {
            writing.put_commit(&commit)?;
        }
    }
    writing.finish(None)?;
    Segment::open(path)?.verify()
}

fn remove(path: &Path) -> Result<(), ReadError> {
    crash_points::here()?;
    fs::remove_file(path)?;
    crash_points::here()?;
    let directory = path.parent().unwrap_or(Path::new("."));
    crate::files::sync(directory).map_err(|error| std::io::Error::other(error).into())
}

/// Returns an unused file name for the rewritten segment, which keeps its id.
fn free_name(directory: &Path, head: SegmentHead) -> PathBuf {
    let name = |number: u32| directory.join(format!("{}.{number}.{ENDING}", head.id));
    (1..).map(name).find(|path| !path.exists()).expect("there are more numbers than files")
}
