//! The writing half of the seam: batches, and the one writer that commits them.

use actuarius_domain::{Position, StreamId};

use crate::error::{Conflict, StoreFailure};
use crate::record::note::Notes;
use crate::record::snapshot::NewSnapshot;
use crate::record::{Append, Removal};

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
