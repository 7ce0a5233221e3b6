//! Removes a deleted stream from the segments of the archive.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use actuarius_domain::{Position, StreamId};
use uuid::Uuid;

use super::error::ArchiveError;
use super::listing::{ENDING, Work, files, remove_unfinished};
use super::segment::{Segment, SegmentError, SegmentHead, Writing};
use crate::crash_points;
use crate::error::ReadError;

/// Removes the events of a deleted stream from the archive: rewrites each segment that contains any
/// without them, with the same id, and removes the old file. Returns the number of removed commits.
///
/// # Errors
/// Returns [`ArchiveError`] if a segment cannot be rewritten. Completed segments stay purged; call it
/// again for the others.
pub fn purge(directory: &Path, stream: &StreamId) -> Result<u64, ArchiveError> {
    let work = Work::on(directory);
    let _held = work.begin();
    remove_unfinished(directory).map_err(ReadError::from)?;
    let mut removed = 0;
    let mut kept = HashMap::new();
    for path in files(directory).map_err(ReadError::from)? {
        let segment = Segment::open(&path)?;
        let (head, commits) = (segment.head(), segment.summary().commits);
        let found = count(&segment, stream)?;
        removed += found;
        if !is_first(&mut kept, head.id, commits - found) {
            // An interrupted purge left two files of the segment, which are the same without the stream.
            remove(&path)?;
        } else if found > 0 {
            rewrite(&segment, stream, &free_name(directory, head))?;
            drop(segment);
            remove(&path)?;
        }
    }
    Ok(removed)
}

/// Returns whether no other file with the same number of commits of this segment has been seen. A purge
/// only takes commits out of a segment.
fn is_first(kept: &mut HashMap<Uuid, u64>, id: Uuid, commits: u64) -> bool {
    kept.insert(id, commits) != Some(commits)
}

fn count(segment: &Segment, stream: &StreamId) -> Result<u64, SegmentError> {
    let mut found = 0;
    for commit in segment.commits_from(Position::NONE) {
        found += u64::from(commit?.view().belongs_to(stream));
    }
    Ok(found)
}

fn rewrite(segment: &Segment, stream: &StreamId, path: &Path) -> Result<(), SegmentError> {
    let mut writing = Writing::create(path, segment.head())?;
    for commit in segment.commits_from(Position::NONE) {
        let commit = commit?;
        if !commit.view().belongs_to(stream) {
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
