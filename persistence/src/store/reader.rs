//! The reading half of the seam: the narrow `Reader`, and `Maintenance` for what works on whole stores.

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

/// Reads what is durable. Shared by everyone, from any thread.
pub trait Reader: Send + Sync {
    /// The position of the last durable event.
    fn head(&self) -> Position;

    /// The version of a stream; [`Version::NONE`] when it does not exist.
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn version(&self, stream: &StreamId) -> Result<Version, ReadError>;

    /// The commits of a stream that hold events behind `after`, oldest first.
    ///
    /// `as_of` is a position up to which the stream is known to hold nothing behind `after` (from a
    /// snapshot), or [`Position::NONE`].
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError>;

    /// The commits of the whole log behind `after`, oldest first. `after` is the last position of a
    /// commit, or [`Position::NONE`].
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError>;

    /// The newest snapshot of a stream, or the newest older than `before`.
    ///
    /// # Errors
    /// [`ReadError::DamagedSnapshot`] names the version: ask again with it as `before`.
    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError>;

    /// What the note `key` says; none when there is no such note.
    ///
    /// # Errors
    /// [`ReadError::DamagedNote`]; damage is never read as "no such note". [`ReadError::Io`] also
    /// when a commit with notes has failed and it is not known what they say: open the store again.
    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// The first `limit` notes whose keys begin with `prefix` and come behind `after`, in the order
    /// of their keys' bytes. Fewer than `limit` are the last ones.
    ///
    /// A commit with notes waits while they are read, so ask for no more than a few hundred at once.
    ///
    /// # Errors
    /// As for [`note`](Reader::note); go on behind the damaged note by asking with its key as
    /// `after`.
    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError>;

    /// The store's own name, drawn when it was made. It never changes, and no other store has it.
    fn identity(&self) -> Uuid;

    /// What the store takes on disk.
    ///
    /// # Errors
    /// [`ReadError`] when the files cannot be looked at.
    fn info(&self) -> Result<StoreInfo, ReadError>;

    /// Returns the half of the store that backups, copies, archives and checks use.
    fn maintenance(&self) -> &dyn Maintenance;
}

/// What backups, copies, archives and checks need of a store beyond reading events.
pub trait Maintenance: Reader {
    /// The end of the log and the link of all commits up to there: what to keep somewhere else in
    /// order to prove later that nothing before it was changed.
    ///
    /// # Errors
    /// [`ReadError`] when it has to be found out first and cannot be.
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

    /// The log as it is stored: as [`read_log`](Reader::read_log), but what was archived or removed
    /// comes as what is left of it. For copies and checks.
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn read_raw(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.read_log(after, limit)
    }

    /// A stream as it is stored: as [`read_stream`](Reader::read_stream), but what was archived comes as
    /// what is left of it.
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn read_raw_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.read_stream(stream, after, Position::NONE, limit)
    }

    /// Returns where the [archive](crate::archive) of the store is, or `None` if it cannot have one.
    fn archive(&self) -> Option<&Path> {
        None
    }

    /// Takes the events of a stream, all of whose commits were [removed](crate::Gone::Removed) from the
    /// log, out of the archive, too. Returns how many commits were taken out.
    ///
    /// # Errors
    /// [`ArchiveError`]: what was done stays done; call it again for the rest.
    fn purge_archive(&self, stream: &StreamId) -> Result<u64, ArchiveError> {
        let _ = stream;
        Ok(0)
    }

    /// Returns what opens personal data in the store, if it was opened [with keys](crate::guard).
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        None
    }

    /// Checks whether everything in the store is what was stored. Reads all of it, and changes nothing.
    ///
    /// # Errors
    /// [`ReadError`] if the store cannot be read at all; damage is part of the result.
    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError>;

    /// Returns the store's history: its own, and that of the stores it was restored from.
    fn lineage(&self) -> Lineage {
        Lineage::of(self.identity())
    }
}

/// How much one page may hold. A page has at least one commit if there is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// The most commits in a page.
    pub commits: usize,
    /// The most bytes in a page, its last commit excepted.
    pub bytes: usize,
}

impl Default for PageLimit {
    /// 1,000 commits or 1 MiB: large enough to spread the cost of a page, small enough that a
    /// thousand readers fit in memory.
    fn default() -> Self {
        Self { commits: 1_000, bytes: 1024 * 1024 }
    }
}

/// Some commits, in order.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The commits.
    pub commits: Vec<Commit>,
    /// Whether there are more behind the last of them.
    pub more: bool,
}

/// What a store takes on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// A short name of the engine.
    pub engine: &'static str,
    /// Bytes of all files; 0 for a store in memory.
    pub disk_bytes: u64,
    /// Events stored.
    pub events: u64,
}

impl StoreInfo {
    /// The figures of a store run by `engine`.
    #[must_use]
    pub fn new(engine: &'static str, disk_bytes: u64, events: u64) -> Self {
        Self { engine, disk_bytes, events }
    }
}
