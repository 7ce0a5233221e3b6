use std::collections::HashMap;
use std::path::PathBuf;

use actuarius_domain::{Position, StreamId, Version};

use super::error::ArchiveError;
use super::mounted::ENDING;
use super::segment::{Kind, Segment, SegmentError, SegmentHead, Writing};
use crate::{Commit, Gone, Page, PageLimit, ReadError, Reader, Removal};

/// How large a segment grows, in compressed bytes and in commits: small enough that its removals
/// fit in memory, about 15 MB, and that little is done twice after an interruption.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const SEGMENT_COMMITS: usize = 100_000;

/// One segment that is on disk, and what may leave the log for it.
#[derive(Debug)]
pub struct Moved {
    /// The segment's file.
    pub path: PathBuf,
    /// How many events are in it.
    pub events: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// To be committed now, in any portions.
    pub removals: Vec<Removal>,
}

/// Up to which version the events of a stream are wanted in the archive; none for a stream that
/// stays as it is.
pub type Wanted<'a> = Box<dyn FnMut(&StreamId) -> Result<Option<Version>, ReadError> + Send + 'a>;

/// Walks along the log or one stream, to its end of now, and writes segments of what is wanted.
///
/// It remembers what is wanted of each stream: about 150 bytes for each.
pub struct Moving<'a> {
    reader: &'a dyn Reader,
    directory: PathBuf,
    wanted: Wanted<'a>,
    known: HashMap<StreamId, Option<Version>>,
    /// The only stream, and how far it has been read.
    only: Option<(StreamId, Version)>,
    at: Position,
    end: Position,
}

impl<'a> Moving<'a> {
    /// Asks `wanted` once for each stream. The segments are written to `directory`, which is the
    /// archive of the reader's store.
    pub fn new(reader: &'a dyn Reader, directory: PathBuf, wanted: Wanted<'a>) -> Self {
        let (known, at, end) = (HashMap::new(), Position::NONE, reader.head());
        Self { reader, directory, wanted, known, only: None, at, end }
    }

    /// Looks at this stream only, without walking along the whole log for it.
    #[must_use]
    pub fn only(mut self, stream: StreamId) -> Self {
        self.only = Some((stream, Version::NONE));
        self
    }

    /// How far it has come, of how far.
    #[must_use]
    pub fn progress(&self) -> (Position, Position) {
        (self.at, self.end)
    }

    /// Writes the next segment; none when there is nothing more to move.
    ///
    /// # Errors
    /// [`ArchiveError`]: no segment was written, and nothing has left the log.
    pub fn next_segment(&mut self) -> Result<Option<Moved>, ArchiveError> {
        let mut filling: Option<Filling> = None;
        while self.at < self.end && !filling.as_ref().is_some_and(Filling::is_full) {
            let page = self.next_page()?;
            let Some(last) = page.commits.last() else { break };
            self.at = last.last_position();
            for commit in &page.commits {
                if !self.wants(commit)? {
                    continue;
                }
                if filling.is_none() {
                    filling = Some(Filling::new(self.reader, &self.directory)?);
                }
                if let Some(filling) = &mut filling {
                    filling.put(commit)?;
                }
            }
        }
        filling.map(Filling::finish).transpose()
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
        if commit.gone().is_some() {
            return Ok(false);
        }
        let view = commit.view();
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

/// A segment being filled.
struct Filling {
    writing: Writing,
    head: SegmentHead,
    path: PathBuf,
    removals: Vec<Removal>,
}

impl Filling {
    fn new(reader: &dyn Reader, directory: &std::path::Path) -> Result<Self, SegmentError> {
        let head = SegmentHead::new(Kind::Archive, reader.identity());
        let path = directory.join(format!("{}.{ENDING}", head.id));
        let made = crate::files::create_directory(directory);
        made.map_err(|error| SegmentError::Io {
            path: directory.to_owned(),
            source: std::sync::Arc::new(std::io::Error::other(error)),
        })?;
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

    /// The segment is read back before anything may leave the log for it.
    fn finish(self) -> Result<Moved, ArchiveError> {
        let Self { writing, path, removals, .. } = self;
        writing.finish(None)?;
        let segment = Segment::open(&path)?;
        segment.verify()?;
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(Moved { events: segment.summary().events, bytes, path, removals })
    }
}
