//! The way to the committer, the only owner of the store's writer: it drains what waits, makes one
//! batch of it, syncs once, then tells each waiter. It moves bytes and knows no actors.

mod thread;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::{Append, Conflict, NewSnapshot, Notes, Removal, StoreFailure, Writer};
use tokio::sync::oneshot;

use super::admission::Admission;
use super::tail::Tail;
use crate::base::error::Failure;
use crate::base::telemetry::CommitMeters;
use thread::CommitLoop;

/// How many bytes of snapshots may wait for the writer. Snapshots are a convenience: over the bound
/// they are dropped, and their aggregates recover from an older one and more events.
const SNAPSHOT_BYTES_WAITING: usize = 16 * 1024 * 1024;

/// The first failed write or sync, once there is one. From then on nothing is acknowledged.
pub(crate) type Poison = Arc<OnceLock<StoreFailure>>;

/// Waits for one append.
pub(crate) trait Waiter: Send {
    /// Tells what became of it: the position of its first event, now durable, or why not.
    fn landed(self: Box<Self>, outcome: Result<Position, NotStored>);
}

/// Why an append was not stored.
#[derive(Debug, Clone)]
pub(crate) enum NotStored {
    /// The stream was at another version; nothing was written.
    Conflict(Conflict),
    /// Writing or syncing failed; perhaps it was written.
    Perhaps(StoreFailure),
    /// The store had failed before; nothing was written.
    Poisoned(StoreFailure),
    /// The committer has stopped; nothing was written.
    Stopped,
}

/// For what waits for the committer and has no version to conflict with.
impl From<NotStored> for Failure {
    fn from(why: NotStored) -> Self {
        match why {
            NotStored::Perhaps(failure) | NotStored::Poisoned(failure) => Self::Poisoned(failure),
            NotStored::Conflict(_) | NotStored::Stopped => Self::shutting_down(),
        }
    }
}

/// The way to the committer.
pub(crate) struct Committer {
    work: Sender<Work>,
    poison: Poison,
    snapshot_bytes: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

enum Work {
    Append(Append, Box<dyn Waiter>),
    Snapshot(NewSnapshot),
    Notes(Notes, oneshot::Sender<Result<(), NotStored>>),
    /// Commits whose events leave the log, and streams whose snapshots do.
    Removals(Vec<Removal>, Vec<StreamId>, oneshot::Sender<Result<(), NotStored>>),
    Stop,
}

impl Committer {
    pub(crate) fn start(
        writer: Box<dyn Writer>,
        admission: Arc<Admission>,
        tail: Arc<Tail>,
        meters: CommitMeters,
    ) -> std::io::Result<Self> {
        // Unbounded, but never long: an aggregate has one append in flight, admission bounds the
        // requests behind them, a follower has one set of notes under way, and snapshots are
        // bounded below.
        let (work, inbox) = mpsc::channel();
        let poison = Poison::default();
        let snapshot_bytes = Arc::new(AtomicUsize::new(0));
        let commit_loop = CommitLoop::new(writer, inbox, (admission, tail), meters)
            .sharing(poison.clone(), snapshot_bytes.clone());
        let thread = std::thread::Builder::new()
            .name("actuarius-committer".to_owned())
            .spawn(move || commit_loop.run())?;
        Ok(Self { work, poison, snapshot_bytes, thread })
    }

    /// Hands an append over; the waiter is told in any case.
    pub(crate) fn append(&self, append: Append, waiter: Box<dyn Waiter>) {
        if let Err(mpsc::SendError(Work::Append(_, waiter))) =
            self.work.send(Work::Append(append, waiter))
        {
            waiter.landed(Err(NotStored::Stopped));
        }
    }

    /// Hands a snapshot over, and says whether it was taken.
    pub(crate) fn snapshot(&self, snapshot: NewSnapshot) -> bool {
        let bytes = snapshot.payload.len();
        let waiting = self.snapshot_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One snapshot always fits, however large it is.
        let fits = waiting == 0 || waiting + bytes <= SNAPSHOT_BYTES_WAITING;
        let taken = fits && self.work.send(Work::Snapshot(snapshot)).is_ok();
        if !taken {
            self.snapshot_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }

    /// Stores notes, all or none. They are stored even when nobody waits any more.
    ///
    /// # Errors
    /// [`NotStored`] says whether they may have been.
    pub(crate) fn store_notes(
        &self,
        notes: Notes,
    ) -> impl Future<Output = Result<(), NotStored>> + Send + use<> {
        let (sender, stored) = oneshot::channel();
        // When the thread is gone, the other end is dropped with what could not be sent.
        let _ = self.work.send(Work::Notes(notes, sender));
        async move { stored.await.unwrap_or(Err(NotStored::Stopped)) }
    }

    /// Has the events of commits leave the log, and all snapshots of streams.
    ///
    /// # Errors
    /// [`NotStored`] says whether they may have left.
    pub(crate) fn remove(
        &self,
        removals: Vec<Removal>,
        snapshots: Vec<StreamId>,
    ) -> impl Future<Output = Result<(), NotStored>> + Send + use<> {
        let (sender, removed) = oneshot::channel();
        // When the thread is gone, the other end is dropped with what could not be sent.
        let _ = self.work.send(Work::Removals(removals, snapshots, sender));
        async move { removed.await.unwrap_or(Err(NotStored::Stopped)) }
    }

    /// The failure that poisoned the store, if one has.
    pub(crate) fn failure(&self) -> Option<&StoreFailure> {
        self.poison.get()
    }

    /// Has the committer finish what waits and drop the writer.
    pub(crate) fn stop(&self) {
        // Fails only when the thread is gone already.
        let _ = self.work.send(Work::Stop);
    }

    /// Whether the committer has dropped the writer.
    pub(crate) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }
}
