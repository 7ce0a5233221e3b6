//! The writing half of the seam: batches, and the one writer that commits them.

use actuarius_domain::{Position, StreamId};

use crate::error::{Refusal, StoreFailure};
use crate::record::note::Notes;
use crate::record::snapshot::NewSnapshot;
use crate::record::{Append, Removal};

/// Data that is stored together, with one sync.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Events, stream by stream. Each commit of each append is stored atomically. An append without
    /// commits only has its expected version checked.
    pub appends: Vec<Append>,
    /// Snapshots of states whose events are already durable.
    ///
    /// They are optional. A store may store a large one in pieces after the commit, so that other
    /// batches do not wait for it. It is found when it is whole, at the latest after
    /// [`settle`](Writer::settle); a crash before loses it.
    pub snapshots: Vec<NewSnapshot>,
    /// Changes of notes, in this order. Each set is stored atomically, whatever the outcome of the
    /// appends.
    pub notes: Vec<Notes>,
    /// Commits whose events are removed from the log. They are durable before this batch.
    pub removals: Vec<Removal>,
    /// Streams whose snapshots are dropped, before those of this batch are stored.
    pub snapshots_dropped: Vec<StreamId>,
}

/// The outcome of one append: the position of its first event, or why it stored nothing.
pub type AppendOutcome = Result<Position, Refusal>;

/// The only writer of a store.
///
/// Every implementation keeps these invariants, which the contract suite checks:
///
/// - When [`commit`](Writer::commit) returns `Ok`, everything in the batch survives a power cut, except for
///   a large snapshot that is stored in pieces.
/// - Positions are assigned in batch order, 1, 2, 3 … without gaps; a refused append uses none.
/// - Each append is accepted only if its expected version is the version of the stream, counting the
///   appends before it in the same batch. If that version cannot be read, the append is refused. A
///   refusal does not affect other appends.
/// - Each set of notes is stored atomically, in batch order. It uses no position. If a batch is stored in several
///   steps, its notes are durable no later than its events: the shape of an event type is in a note.
/// - Nothing is visible to any reader before it is durable. A reader that sees a note of a batch sees
///   all notes and events of the batch.
/// - After the first `Err` every later commit fails, until the store is opened again.
pub trait Writer: Send {
    /// Stores the batch and returns the outcome of each append, in order.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if a write or a sync failed. Any commit and any set of notes of the
    /// batch may or may not have been written, each atomically; none is visible to readers. Open the
    /// store again.
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure>;

    /// Does a piece of the work that was postponed so that [`commit`](Writer::commit) is fast, in about the
    /// time of a commit. Returns whether more is left. Called while no batch waits.
    ///
    /// # Errors
    /// Returns the same errors as [`commit`](Writer::commit): every later commit fails.
    fn advance(&mut self) -> Result<bool, StoreFailure> {
        Ok(false)
    }

    /// Returns the bytes of the snapshots that were taken and are not stored yet.
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// Does all the work that was postponed so that [`commit`](Writer::commit) is fast. Called in idle
    /// times, and before the store is closed.
    ///
    /// # Errors
    /// Returns the same errors as [`commit`](Writer::commit): every later commit fails.
    fn settle(&mut self) -> Result<(), StoreFailure> {
        Ok(())
    }

    /// Closes the writing half of the store: finishes the postponed work, and drops the writer.
    ///
    /// Readers stay usable. The files are released when they are dropped, too.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if the last write or sync failed. Everything that was acknowledged is
    /// durable; verify the store before it is written to again. After a failed
    /// [`commit`](Writer::commit) it returns the same error, and writes nothing.
    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        Ok(())
    }

    /// Returns the preferred size of a batch in bytes. A larger batch is correct, but takes several
    /// syncs.
    fn batch_bytes(&self) -> usize;
}
