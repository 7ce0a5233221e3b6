//! Removes a deleted stream from the segments of the archive.

use std::fs;
use std::path::{Path, PathBuf};

use actuarius_domain::{Position, StreamId};

use super::error::ArchiveError;
use super::mounted::{ENDING, files};
use super::segment::{Segment, SegmentError, SegmentHead, Writing};
use crate::error::ReadError;

/// Removes the events of a deleted stream from the archive: rewrites each segment that contains any
/// without them, with the same id, and removes the old file. Returns the number of removed commits.
///
/// # Errors
/// Returns [`ArchiveError`] if a segment cannot be rewritten. Completed segments stay purged; call it
/// again for the others.
pub fn purge(directory: &Path, stream: &StreamId) -> Result<u64, ArchiveError> {
    let mut removed = 0;
    for path in files(directory).map_err(ReadError::from)? {
        let segment = Segment::open(&path)?;
        let found = count(&segment, stream)?;
        if found > 0 {
            rewrite(&segment, stream, &free_name(directory, segment.head()))?;
            drop(segment);
            fs::remove_file(&path).map_err(ReadError::from)?;
            let synced = crate::files::sync(directory);
            synced.map_err(|error| ReadError::from(std::io::Error::other(error)))?;
        }
        removed += found;
    }
    Ok(removed)
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
            writing.put(commit.position(), &commit.frame())?;
        }
    }
    writing.finish(None)?;
    Segment::open(path)?.verify()
}

/// Returns an unused file name for the rewritten segment, which keeps its id.
fn free_name(directory: &Path, head: SegmentHead) -> PathBuf {
    let name = |number: u32| directory.join(format!("{}.{number}.{ENDING}", head.id));
    (1..).map(name).find(|path| !path.exists()).expect("there are more numbers than files")
}
