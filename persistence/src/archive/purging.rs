use std::fs;
use std::path::{Path, PathBuf};

use actuarius_domain::{Position, StreamId};

use super::ArchiveError;
use super::mounted::{ENDING, files};
use super::segment::{Segment, SegmentError, SegmentHead, Writing};
use crate::ReadError;

/// Takes the events of a stream that was deleted out of the archive: each segment that has any is
/// written anew without them, under its own name, and the old file is removed. Returns how many
/// commits went.
///
/// # Errors
/// [`ArchiveError`]. Segments that were done stay so; call it again for the others.
pub fn purge(directory: &Path, stream: &StreamId) -> Result<u64, ArchiveError> {
    let mut gone = 0;
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
        gone += found;
    }
    Ok(gone)
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

/// What remains has the segment's own name, in a file that is not there yet.
fn free_name(directory: &Path, head: SegmentHead) -> PathBuf {
    let name = |number: u32| directory.join(format!("{}.{number}.{ENDING}", head.id));
    (1..).map(name).find(|path| !path.exists()).expect("there are more numbers than files")
}
