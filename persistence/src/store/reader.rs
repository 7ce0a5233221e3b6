//! The reading half of the seam: `Reader` for events, and `Maintenance` for work on whole stores.

use std::path::Path;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::verify::{Verified, Verify};
use crate::archive::error::ArchiveError;
use crate::error::ReadError;
use crate::personal::sealer::Sealer;
use crate::record::Commit;
use crate::record::chain::ChainEnd;
use crate::record::lineage::Lineage;
use crate::record::note::Note;
use crate::record::snapshot::Snapshot;

/// Reads durable data, from any thread.
pub trait Reader: Send + Sync {
    /// Returns the position of the last durable event.
    fn head(&self) -> Position;

    /// Returns the version of a stream, or [`Version::NONE`] if it does not exist.
    ///
    /// # Errors
    /// Returns [`ReadError`]. Damage is never reported as a missing event.
    fn version(&self, stream: &StreamId) -> Result<Version, ReadError>;

    /// Returns the commits of a stream with events after `after`, oldest first.
    ///
    /// `as_of` is a position up to which the stream is known to have no events after `after` (from a
    /// snapshot), or [`Position::NONE`].
    ///
    /// # Errors
    /// Returns [`ReadError`]. Damage is never reported as a missing event.
    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError>;

    /// Returns the commits of the whole log after `after`, oldest first. `after` is the last position
    /// of a commit, or [`Position::NONE`].
    ///
    /// # Errors
    /// Returns [`ReadError`]. Damage is never reported as a missing event.
    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError>;

    /// Returns the newest snapshot of a stream, or the newest one older than `before`.
    ///
    /// # Errors
    /// Returns [`ReadError::DamagedSnapshot`] with the version of a damaged snapshot. Call again with
    /// that version as `before`.
    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError>;

    /// Returns the value of the note `key`, or `None` if there is no such note.
    ///
    /// # Errors
    /// Returns [`ReadError::DamagedNote`]; damage is never reported as a missing note. Also returns
    /// [`ReadError::Io`] after a commit with notes failed, because their values are then unknown: open
    /// the store again.
    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// Returns the first `limit` notes with keys that start with `prefix` and are greater than `after`,
    /// in the byte order of their keys. Fewer than `limit` means that there are no more.
    ///
    /// A commit with notes waits while they are read, so request at most a few hundred at once.
    ///
    /// # Errors
    /// Returns the same errors as [`note`](Reader::note). To continue after a damaged note, pass its key
    /// as `after`.
    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError>;

    /// Returns the identity of the store: a random UUID that never changes.
    fn identity(&self) -> Uuid;

    /// Returns the size of the store.
    ///
    /// # Errors
    /// Returns [`ReadError`] if the files cannot be inspected.
    fn info(&self) -> Result<StoreInfo, ReadError>;

    /// Returns the half of the store that backups, copies, archives and checks use.
    fn maintenance(&self) -> &dyn Maintenance;

    /// Announces that the store is about to be closed: its writer finishes what waits, and then writer and readers
    /// are dropped. Opening it again may wait for that, instead of reporting that the store is in use.
    fn announce_closing(&self) {}
}

/// What backups, copies, archives and checks need of a store, beyond reading events.
pub trait Maintenance: Reader {
    /// Returns the end of the log and the link of all commits up to it. Keep it outside of the store to
    /// prove later that nothing before it was changed.
    ///
    /// # Errors
    /// Returns [`ReadError`] if the chain must be computed from the log, which cannot be read.
    fn chain(&self) -> Result<ChainEnd, ReadError> {
        let (mut end, head) = (ChainEnd::default(), self.head());
        while end.position < head {
            let page = self.read_raw(end.position, PageLimit::default())?;
            let before = end.position;
            end = page.commits.iter().fold(end, |end, commit| end.then(commit));
            if end.position == before {
                break;
            }
        }
        Ok(end)
    }

    /// Returns the log as it is stored: like [`read_log`](Reader::read_log), but archived or removed
    /// commits are returned as stubs. For copies and checks.
    ///
    /// # Errors
    /// Returns [`ReadError`]. Damage is never reported as a missing event.
    fn read_raw(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.read_log(after, limit)
    }

    /// Returns a stream as it is stored: like [`read_stream`](Reader::read_stream), but archived commits
    /// are returned as stubs.
    ///
    /// # Errors
    /// Returns [`ReadError`]. Damage is never reported as a missing event.
    fn read_raw_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.read_stream(stream, after, Position::NONE, limit)
    }

    /// Returns the directory of the [archive](crate::archive) of the store, or `None` if it cannot have one.
    fn archive(&self) -> Option<&Path> {
        None
    }

    /// Removes the events of a stream before the version `end` from the archive, after they were
    /// [removed](crate::Gone::Removed) from the log. `end` is the version of the event that ended the stream.
    /// Returns the number of commits removed.
    ///
    /// # Errors
    /// Returns [`ArchiveError`] if a segment cannot be rewritten. Completed segments stay purged; call it
    /// again for the rest.
    fn purge_archive(&self, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
        let _ = (stream, end);
        Ok(0)
    }

    /// Returns the keys that open personal data in the store, if it was opened [with keys](crate::with_sealer).
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        None
    }

    /// Checks that the content of the store is intact. Reads all of it, and changes nothing.
    ///
    /// # Errors
    /// Returns [`ReadError`] if the store cannot be read at all. Damage is part of the result.
    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError>;

    /// Returns the lineage: the store itself, and the stores it was restored from.
    fn lineage(&self) -> Lineage {
        Lineage::of(self.identity())
    }
}

/// The limits of one page. A page has at least one commit if there is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// The most commits in a page.
    pub commits: usize,
    /// The most bytes in a page, without its last commit.
    pub bytes: usize,
}

impl Default for PageLimit {
    /// Returns 1,000 commits or 1 MiB: large enough to amortize the cost of a page, small enough for a
    /// thousand readers in memory.
    fn default() -> Self {
        Self { commits: 1_000, bytes: 1024 * 1024 }
    }
}

/// A page of commits, in order.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The commits.
    pub commits: Vec<Commit>,
    /// Whether there are more commits after the last one.
    pub more: bool,
}

/// The engine and the size of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// A short name of the engine.
    pub engine: &'static str,
    /// The size of all files in bytes. 0 for a store in memory.
    pub disk_bytes: u64,
    /// The number of stored events.
    pub events: u64,
}

impl StoreInfo {
    /// Creates the figures of a store of the engine `engine`.
    #[must_use]
    pub fn new(engine: &'static str, disk_bytes: u64, events: u64) -> Self {
        Self { engine, disk_bytes, events }
    }
}
