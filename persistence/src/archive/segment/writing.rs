use std::path::{Path, PathBuf};

use actuarius_domain::Position;
use bytes::Bytes;

use super::blocks::{BLOCK_BYTES, Sealed, Writer};
use super::{Links, SegmentError, SegmentHead, Summary};
use crate::Commit;
use crate::wire::put_varint;

/// A segment being written. It is there once it is [finished](Writing::finish); dropped before, nothing is.
pub struct Writing {
    file: Writer,
    /// The block being filled, and how it begins.
    raw: Vec<u8>,
    first: u64,
    entries: u32,
    /// The position of the commit before.
    before: u64,
    summary: Summary,
}

/// A segment that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it has.
    pub bytes: u64,
    /// BLAKE3 of the whole file.
    pub hash: [u8; 32],
    /// What is in it.
    pub summary: Summary,
}

impl Writing {
    /// Begins a segment that will be at `path`. Until it is finished it is written beside it, with
    /// `.writing` behind its name.
    ///
    /// # Errors
    /// [`SegmentError::Exists`], [`SegmentError::Io`]. Nothing is at `path` that was not there before.
    pub fn create(path: impl AsRef<Path>, head: SegmentHead) -> Result<Self, SegmentError> {
        let file = Writer::create(path.as_ref(), head)?;
        let (raw, summary) = (Vec::with_capacity(BLOCK_BYTES), Summary::default());
        Ok(Self { file, raw, first: 0, entries: 0, before: 0, summary })
    }

    /// Adds the commit whose first event stands at `position`, which is behind the commit before, and
    /// whose stored frame is `frame`.
    ///
    /// # Errors
    /// [`SegmentError::Misplaced`], [`SegmentError::Io`]. The segment cannot be finished any more: drop it.
    pub fn put(&mut self, position: Position, frame: &Bytes) -> Result<(), SegmentError> {
        let misplaced = |what: String| SegmentError::Misplaced { position, what };
        let commit = Commit::from_frame(frame, position).map_err(|it| misplaced(it.what))?;
        self.put_commit(&commit)
    }

    /// The same, of a commit that was read.
    pub(crate) fn put_commit(&mut self, commit: &Commit) -> Result<(), SegmentError> {
        let position = commit.position();
        if position <= self.summary.last {
            let what = format!("position {} is written", self.summary.last);
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
        // A large commit passes; its room is not kept.
        self.raw.shrink_to(2 * BLOCK_BYTES);
        Ok(())
    }

    /// About how many bytes the segment has by now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// What is in it by now.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Ends the segment: all of it is on disk, then it gets its name. `links` are given when the commits
    /// follow each other without a gap.
    ///
    /// # Errors
    /// [`SegmentError::Exists`], [`SegmentError::Io`]: the segment is not there, or, when syncing the
    /// directory failed, may vanish in a power cut.
    pub fn finish(mut self, links: Option<Links>) -> Result<Finished, SegmentError> {
        self.end_block()?;
        let summary = Summary { links, ..self.summary };
        let path = self.file.path().to_owned();
        let Sealed { bytes, hash } = self.file.finish(summary)?;
        Ok(Finished { path, bytes, hash, summary })
    }
}
