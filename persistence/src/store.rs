use std::path::Path;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use crate::archive::ArchiveError;
use crate::chain::ChainEnd;
use crate::keys::Keys;
use crate::verify::{Verified, Verify};
use crate::{
    Append, Commit, Conflict, Lineage, NewSnapshot, Note, Notes, ReadError, Removal, Snapshot,
    StoreFailure,
};

/// The largest commit (all events of one command, with their header) a store takes: 16 MiB.
///
/// A commit is held in memory by the actor, the committer and the store at once, so the bound keeps
/// one command from taking the process down.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An open store: its one writer, and the reader everyone shares.
pub struct Store {
    /// The only way to write. There is one, and it cannot be cloned.
    pub writer: Box<dyn Writer>,
    /// Reads what is durable.
    pub reader: Arc<dyn Reader>,
}

/// What is stored together, with one sync.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Events, stream by stream. Each commit of each append is stored whole or not at all. An
    /// append without commits has its expected version checked and stores nothing.
    pub appends: Vec<Append>,
    /// Snapshots of states that are durable already.
    pub snapshots: Vec<NewSnapshot>,
    /// Changes of notes, in this order. Each set is stored whole or not at all, whatever becomes of
    /// the appends.
    pub notes: Vec<Notes>,
    /// Commits whose events leave the log. They are durable, and stand before this batch.
    pub removals: Vec<Removal>,
    /// Streams whose snapshots are dropped, before those of this batch are stored.
    pub snapshots_dropped: Vec<StreamId>,
}

/// What became of one append: the position of its first event, or a conflict that left nothing.
pub type AppendOutcome = Result<Position, Conflict>;

/// The only way to write to a store.
///
/// Invariants every implementation keeps (the contract suite checks them):
///
/// - When [`commit`](Writer::commit) returns `Ok`, everything in the batch survives a power cut.
/// - Positions are given in batch order, 1, 2, 3 … without gaps; a conflict uses none.
/// - Each append is accepted only if its expected version is the stream's version, counting the
///   appends before it in the same batch. A conflict leaves its neighbours untouched.
/// - Each set of notes is stored whole or not at all, in batch order and behind the appends. It
///   moves no position.
/// - Nothing is visible to any reader before it is durable. Who sees a note of a batch sees all of
///   the batch's notes and events.
/// - After the first `Err` every later commit fails, until the store is opened again.
pub trait Writer: Send {
    /// Stores the batch and returns what became of each append, in order.
    ///
    /// # Errors
    /// [`StoreFailure`] when a write or a sync failed. Any commit and any set of notes of the batch
    /// may or may not have been written, each whole or not at all; none is visible to readers. Open
    /// the store again.
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure>;

    /// Does what was put off so that [`commit`](Writer::commit) is fast. Called when there has been
    /// nothing to commit for a moment.
    ///
    /// # Errors
    /// As for [`commit`](Writer::commit): every later commit fails.
    fn settle(&mut self) -> Result<(), StoreFailure> {
        Ok(())
    }

    /// How many bytes of a batch the store likes to sync at once. A larger batch is correct, but
    /// takes several syncs.
    fn batch_bytes(&self) -> usize;
}

/// Reads what is durable. Shared by everyone, from any thread.
pub trait Reader: Send + Sync {
    /// The position of the last durable event.
    fn head(&self) -> Position;

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

    /// The log as it is stored: as [`read_log`](Reader::read_log), but what was archived or removed
    /// comes as what is left of it. For copies and checks.
    ///
    /// # Errors
    /// [`ReadError`]; damage is never read as "no such event".
    fn read_raw(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.read_log(after, limit)
    }

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

    /// Where the [archive](crate::archive) of the store is; none when it cannot have one.
    fn archive(&self) -> Option<&Path> {
        None
    }

    /// Takes the events of a stream, all of whose commits were [removed](crate::Gone::Removed) from the log,
    /// out of the archive, too. Returns how many commits went.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was done stays so, call it again for the rest.
    fn purge_archive(&self, stream: &StreamId) -> Result<u64, ArchiveError> {
        let _ = stream;
        Ok(0)
    }

    /// What personal data in the store is opened with; none unless a [guard](crate::keys::guard) has
    /// them.
    fn keys(&self) -> Option<Arc<Keys>> {
        None
    }

    /// The store's own name, drawn when it was made. It never changes, and no other store has it.
    fn identity(&self) -> Uuid;

    /// Whether everything in the store is what was stored. It reads all of it, and changes nothing.
    ///
    /// # Errors
    /// [`ReadError`] when the store cannot be read at all; what is damaged is in the result.
    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        crate::verify::log(self, what)
    }

    /// Whose history the store has: its own, and that of the stores it was restored from.
    fn lineage(&self) -> Lineage {
        Lineage::of(self.identity())
    }

    /// Whether what was true at `position` of the store `identity` is true of this one, too.
    fn shares(&self, identity: Uuid, position: Position) -> bool {
        self.lineage().shares(identity, position)
    }

    /// What the store takes on disk.
    ///
    /// # Errors
    /// [`ReadError`] when the files cannot be looked at.
    fn info(&self) -> Result<StoreInfo, ReadError>;
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
