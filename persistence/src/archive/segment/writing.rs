//! Writes segments.

use std::path::{Path, PathBuf};

use actuarius_domain::Position;
use bytes::Bytes;

use super::blocks::{BLOCK_BYTES, Sealed, Writer};
use super::{Links, SegmentError, SegmentHead, Summary};
use crate::record::Commit;
use crate::wire::put_varint;

/// A segment that is being written. It exists once it is [finished](Writing::finish). If it is dropped
/// before, nothing is left.
pub struct Writing {
    file: Writer,
    /// The current block: its bytes, and the position of its first commit.
    raw: Vec<u8>,
    first: u64,
    entries: u32,
    /// The position of the previous commit.
    before: u64,
    summary: Summary,
}

/// A segment that was written to disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// BLAKE3 of the whole file.
    pub hash: [u8; 32],
    /// Its figures.
    pub summary: Summary,
}

impl Writing {
    /// Starts a segment at `path`. Until it is finished, it is written to a file beside it, with the
    /// suffix `.writing`.
    ///
    /// # Errors
    /// Returns [`SegmentError::Exists`] or [`SegmentError::Io`]. Nothing was changed at `path`.
    pub fn create(path: impl AsRef<Path>, head: SegmentHead) -> Result<Self, SegmentError> {
        let file = Writer::create(path.as_ref(), head)?;
        let (raw, summary) = (Vec::with_capacity(BLOCK_BYTES), Summary::default());
        Ok(Self { file, raw, first: 0, entries: 0, before: 0, summary })
    }

    /// Adds the commit with the stored frame `frame`, whose first event is at `position`. The position
    /// must be after the previous commit.
    ///
    /// # Errors
    /// Returns [`SegmentError::Misplaced`] or [`SegmentError::Io`]. The segment cannot be finished any
    /// more: drop it.
    pub fn put(&mut self, position: Position, frame: &Bytes) -> Result<(), SegmentError> {
        let misplaced = |what: String| SegmentError::Misplaced { position, what };
        let commit = Commit::from_frame(frame, position).map_err(|it| misplaced(it.what))?;
        self.put_commit(&commit)
    }

    /// Adds a parsed commit.
    pub(crate) fn put_commit(&mut self, commit: &Commit) -> Result<(), SegmentError> {
        let position = commit.position();
        if position <= self.summary.last {
            let what = format!("position {} is already written", self.summary.last);
            return Err(SegmentError::Misplaced { position, what });
        }
        if self.entries == 0 {
            (self.first, self.before) = (position.get(), position.get());
        }
        put_varint(&mut self.raw, position.get() - self.before);
        self.raw.extend_from_slice(&commit.frame());
        (self.before, self.entries) = (position.get(), self.entries + 1);
        self.summary.count(commit);
        if self.raw.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), SegmentError> {
        if self.entries > 0 {
            self.file.put(self.first, self.entries, &self.raw)?;
        }
        self.entries = 0;
        self.raw.clear();
        // The capacity of a large commit is released.
        self.raw.shrink_to(2 * BLOCK_BYTES);
        Ok(())
    }

    /// Returns the approximate size of the segment so far, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Returns the figures of the segment so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Ends the segment: syncs it, and renames it to its path. Pass `links` if the commits have no gap
    /// between them.
    ///
    /// # Errors
    /// Returns [`SegmentError::Exists`] or [`SegmentError::Io`]: the segment was not created, or, if only
    /// the sync of the directory failed, may be lost in a power cut.
    pub fn finish(mut self, links: Option<Links>) -> Result<Finished, SegmentError> {
        self.end_block()?;
        let summary = Summary { links, ..self.summary };
        let path = self.file.path().to_owned();
        let Sealed { bytes, hash } = self.file.finish(summary)?;
        Ok(Finished { path, bytes, hash, summary })
    }
}
