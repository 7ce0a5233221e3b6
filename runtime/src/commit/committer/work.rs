//! The work of the committer, and the outcomes that its waiters receive.

use std::sync::{Arc, OnceLock};

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::{
    Append, Conflict, NewSnapshot, Notes, ReadError, Refusal, Removal, StoreFailure,
};
use tokio::sync::oneshot;

use crate::base::error::Failure;
use crate::base::panics::guarded;

/// The first failed write or sync, if there was one. From then on nothing is acknowledged.
pub(crate) type Poison = Arc<OnceLock<StoreFailure>>;

/// Waits for the outcome of one append.
pub(crate) trait Waiter: Send {
    /// Receives the outcome: the position of the first event, which is now durable, or why the append was
    /// not stored.
    fn complete(self: Box<Self>, outcome: Result<Position, NotStored>);
}

/// Why an append was not stored.
#[derive(Debug, Clone)]
pub(crate) enum NotStored {
    /// The stream was at another version; nothing was written.
    Conflict(Conflict),
    /// The version of the stream could not be read; nothing was written.
    Unreadable(ReadError),
    /// Writing or syncing failed; the append may or may not have been written.
    Perhaps(StoreFailure),
    /// The store had failed before; nothing was written.
    Poisoned(StoreFailure),
    /// The committer has stopped; nothing was written.
    Stopped,
}

impl From<Refusal> for NotStored {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Conflict(conflict) => Self::Conflict(conflict),
            Refusal::Unreadable(error) => Self::Unreadable(error),
            other => Self::Unreadable(std::io::Error::other(other).into()),
        }
    }
}

/// For notes and removals, which expect no version and so cannot conflict.
impl From<NotStored> for Failure {
    fn from(why: NotStored) -> Self {
        match why {
            NotStored::Perhaps(failure) | NotStored::Poisoned(failure) => Self::Poisoned(failure),
            NotStored::Unreadable(error) => Self::Unreadable(error),
            NotStored::Conflict(_) | NotStored::Stopped => Self::shutting_down(),
        }
    }
}

/// Completes a waiter whose append is dropped before it is put into a batch: nothing of it was written.
pub(super) struct Unwritten(Option<Box<dyn Waiter>>);

impl Unwritten {
    pub(super) fn new(waiter: Box<dyn Waiter>) -> Self {
        Self(Some(waiter))
    }

    /// Takes the waiter out, for a batch.
    pub(super) fn take(mut self) -> Box<dyn Waiter> {
        self.0.take().expect("only `take` and `drop` empty it, and both consume it")
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        if let Some(waiter) = self.0.take() {
            // Completing a waiter drops values of the user's.
            let _ = guarded(|| waiter.complete(Err(NotStored::Stopped)));
        }
    }
}

/// One piece of work.
pub(super) enum Work {
    Append(Append, Unwritten),
    Snapshot(NewSnapshot),
    /// A snapshot waits.
    SnapshotWaits,
    Notes(Notes, oneshot::Sender<Result<(), NotStored>>),
    /// Commits whose events are removed from the log, and streams whose snapshots are removed.
    Removals(Vec<Removal>, Vec<StreamId>, oneshot::Sender<Result<(), NotStored>>),
    Stop,
}
