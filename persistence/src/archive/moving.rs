//! Moves events into the archive: writes segments, and returns the removals to commit.

use std::collections::HashMap;
use std::path::PathBuf;

use actuarius_domain::{Position, StreamId, Version};

use super::error::ArchiveError;
use super::listing::{ENDING, Work, remove_unfinished};
use super::segment::{Kind, Segment, SegmentError, SegmentHead, Writing};
use super::segment_error::OnSegment;
use crate::error::ReadError;
use crate::record::{Commit, Gone, Removal};
use crate::store::{Page, PageLimit, Reader};

/// The size of a full segment, in compressed bytes and in commits: small enough that its removals fit in
/// memory, about 15 MB, and that little work is repeated after an interruption.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const SEGMENT_COMMITS: usize = 100_000;

/// One segment on disk, and the removals of its commits from the log.
#[derive(Debug)]
pub struct Moved {
    /// The segment's file.
    pub path: PathBuf,
    /// The number of its events.
    pub events: u64,
    /// The size of its file in bytes.
    pub bytes: u64,
    /// The removals to be committed now, in any number of batches.
    pub removals: Vec<Removal>,
}

/// Returns the version up to which the events of a stream are archived, or `None` for a stream that
/// stays in the log.
pub type Wanted<'a> = Box<dyn FnMut(&StreamId) -> Result<Option<Version>, ReadError> + Send + 'a>;

/// Reads the log or one stream, up to its current end, and writes the selected events to segments.
///
/// It caches the selection of each stream: about 150 bytes for each.
pub struct Moving<'a> {
    reader: &'a dyn Reader,
    directory: PathBuf,
    wanted: Wanted<'a>,
    known: HashMap<StreamId, Option<Version>>,
    /// The only stream, and the last version read.
    only: Option<(StreamId, Version)>,
    at: Position,
    end: Position,
}

impl<'a> Moving<'a> {
    /// Creates a mover that writes to `directory`, the archive of the reader's store. It calls `wanted`
    /// once for each stream.
    pub fn new(reader: &'a dyn Reader, directory: PathBuf, wanted: Wanted<'a>) -> Self {
        let (known, at, end) = (HashMap::new(), Position::NONE, reader.head());
        Self { reader, directory, wanted, known, only: None, at, end }
    }

    /// Moves events of this stream only, without reading the whole log.
    #[must_use]
    pub fn only(mut self, stream: StreamId) -> Self {
        self.only = Some((stream, Version::NONE));
        self
    }

    /// Returns the position reached, and the position of the end.
    #[must_use]
    pub fn progress(&self) -> (Position, Position) {
        (self.at, self.end)
    }

    /// Writes the next segment. Returns `None` if there is nothing more to move.
    ///
    /// # Errors
    /// Returns [`ArchiveError`] if no segment was written. Nothing was removed from the log.
    pub fn next_segment(&mut self) -> Result<Option<Moved>, ArchiveError> {
        let work = Work::on(&self.directory);
        let (mut held, mut pending) = (None, None::<PendingSegment>);
        while self.at < self.end && !pending.as_ref().is_some_and(PendingSegment::is_full) {
            // From before the first event is read until the file is complete.
            held = held.filter(|_| pending.is_some()).or_else(|| Some(work.begin()));
            let page = self.next_page()?;
            let Some(last) = page.commits.last() else { break };
            self.at = last.last_position();
            for commit in &page.commits {
                if !self.wants(commit)? {
                    continue;
                }
                if pending.is_none() {
                    pending = Some(PendingSegment::new(self.reader, &self.directory)?);
                }
                if let Some(pending) = &mut pending {
                    pending.put(commit)?;
                }
            }
        }
        pending.map(PendingSegment::finish).transpose()
    }

    fn next_page(&mut self) -> Result<Page, ReadError> {
        let Some((stream, after)) = &mut self.only else {
            return self.reader.maintenance().read_raw(self.at, PageLimit::default());
        };
        let page =
            self.reader.maintenance().read_raw_stream(stream, *after, PageLimit::default())?;
        *after = page.commits.last().map_or(*after, |last| last.view().last_version());
        Ok(page)
    }

    fn wants(&mut self, commit: &Commit) -> Result<bool, ReadError> {
        let view = commit.view();
        // The end of a stream stays in the log: it says that what is before it is deleted.
        if commit.gone().is_some() || view.events().any(|event| event.deletion().is_some()) {
            return Ok(false);
        }
        let stream = commit.stream();
        let up_to = match self.known.get(&stream) {
            Some(known) => *known,
            None => {
                let wanted = (self.wanted)(&stream)?;
                *self.known.entry(stream).or_insert(wanted)
            }
        };
        Ok(up_to.is_some_and(|up_to| view.last_version() <= up_to))
    }
}

/// A segment that is being written.
struct PendingSegment {
    writing: Writing,
    head: SegmentHead,
    path: PathBuf,
    removals: Vec<Removal>,
}

impl PendingSegment {
    fn new(reader: &dyn Reader, directory: &std::path::Path) -> Result<Self, SegmentError> {
        let head = SegmentHead::new(Kind::Archive, reader.identity());
        let path = directory.join(format!("{}.{ENDING}", head.id));
        let made = crate::files::create_directory(directory).map_err(std::io::Error::other);
        made.and_then(|()| remove_unfinished(directory)).on(directory)?;
        Ok(Self { writing: Writing::create(&path, head)?, head, path, removals: vec![] })
    }

    fn put(&mut self, commit: &Commit) -> Result<(), SegmentError> {
        self.writing.put(commit.position(), &commit.frame())?;
        self.removals.push(Removal::of(commit, Gone::Archived(self.head.id)));
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.writing.bytes() >= SEGMENT_BYTES || self.removals.len() >= SEGMENT_COMMITS
    }

    /// Finishes the segment and reads it back, before its commits may be removed from the log.
    fn finish(self) -> Result<Moved, ArchiveError> {
        let Self { writing, path, removals, .. } = self;
        writing.finish(None)?;
        let segment = Segment::open(&path)?;
        segment.verify()?;
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(Moved { events: segment.summary().events, bytes, path, removals })
    }
}
