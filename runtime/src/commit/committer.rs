//! The handle of the committer, the only owner of the store's writer. Its thread drains the waiting work
//! into one batch, syncs once, then notifies each waiter. It moves bytes and does not know about actors.

mod linger;
mod notifying;
mod thread;
mod waiting_bytes;
mod work;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use actuarius_domain::StreamId;
use actuarius_persistence::{Append, NewSnapshot, Notes, Removal, StoreFailure, Writer};
use tokio::sync::oneshot;

use super::admission::Admission;
use super::tail::Tail;
use super::waiting_snapshots::{Kept, WaitingSnapshot, WaitingSnapshots};
use crate::base::telemetry::CommitMeters;
use thread::CommitLoop;
use waiting_bytes::WaitingBytes;
pub(crate) use work::{NotStored, Poison, Waiter};
use work::{Unwritten, Work};

/// How many bytes of snapshots may wait for the writer, beside those that other snapshots of their streams may replace.
/// Beyond the bound they are dropped.
const SNAPSHOT_BYTES_WAITING: usize = 16 * 1024 * 1024;

/// How many bytes of appends may wait for the writer before aggregates wait with their next turn: a quarter
/// of a second of work for a fast disk. The turns that are being decided at that moment, one for each of
/// tokio's worker threads, may exceed it.
const APPEND_BYTES_WAITING: usize = 64 * 1024 * 1024;

/// The handle of the committer's thread.
pub(crate) struct Committer {
    work: Sender<Work>,
    poison: Poison,
    waiting_snapshots: Arc<WaitingSnapshots>,
    snapshot_bytes: Arc<AtomicUsize>,
    append_bytes: Arc<WaitingBytes>,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(crate) fn start(
        writer: Box<dyn Writer>,
        admission: Arc<Admission>,
        tail: Arc<Tail>,
        meters: CommitMeters,
    ) -> std::io::Result<Self> {
        // Unbounded, but never long: an aggregate has one append in flight, admission bounds the
        // requests that cause them, a follower has one set of notes in flight, and `snapshot`
        // bounds snapshots.
        let (work, inbox) = mpsc::channel();
        let poison = Poison::default();
        let (waiting_snapshots, snapshot_bytes) = (Arc::default(), Arc::default());
        let append_bytes = Arc::new(WaitingBytes::new(APPEND_BYTES_WAITING));
        let commit_loop = CommitLoop::new(writer, inbox, (admission, tail), meters).sharing(
            poison.clone(),
            (Arc::clone(&waiting_snapshots), Arc::clone(&snapshot_bytes)),
            append_bytes.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("actuarius-committer".to_owned())
            .spawn(move || commit_loop.run())?;
        Ok(Self { work, poison, waiting_snapshots, snapshot_bytes, append_bytes, thread })
    }

    /// Returns whether the appends that wait for the writer leave room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.append_bytes.have_room()
    }

    /// Waits until they do.
    pub(crate) async fn room(&self) {
        self.append_bytes.room().await;
    }

    /// Submits an append. If the thread has ended, or ends before it takes the append, the waiter is
    /// completed with [`NotStored::Stopped`].
    pub(crate) fn append(&self, append: Append, waiter: Box<dyn Waiter>) {
        self.append_bytes.add(append.bytes());
        let _ = self.work.send(Work::Append(append, Unwritten::new(waiter)));
    }

    /// Submits a snapshot that the next one of its stream may replace, and returns whether there is room for it.
    pub(crate) fn keep_snapshot(&self, snapshot: WaitingSnapshot) -> bool {
        let kept = self.waiting_snapshots.keep(snapshot);
        if kept == Kept::First {
            // Fails if the thread has ended. Then it is not stored.
            let _ = self.work.send(Work::SnapshotWaits);
        }
        kept != Kept::Dropped
    }

    /// Returns the snapshot of a stream that waits to be stored, if there is one.
    pub(crate) fn waiting_snapshot(&self, stream: &StreamId) -> Option<WaitingSnapshot> {
        self.waiting_snapshots.of(stream)
    }

    /// Submits a snapshot that is stored in any case, and returns whether there is room for it.
    pub(crate) fn snapshot(&self, snapshot: NewSnapshot) -> bool {
        self.waiting_snapshots.forget(std::slice::from_ref(&snapshot.stream));
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

    /// Stores notes, all or none. They are stored even if the future is dropped.
    ///
    /// # Errors
    /// [`NotStored`] says whether they may have been stored.
    pub(crate) fn store_notes(
        &self,
        notes: Notes,
    ) -> impl Future<Output = Result<(), NotStored>> + Send + use<> {
        let (sender, stored) = oneshot::channel();
        // If the thread has ended, the work is dropped with the sender.
        let _ = self.work.send(Work::Notes(notes, sender));
        async move { stored.await.unwrap_or(Err(NotStored::Stopped)) }
    }

    /// Removes the events of commits from the log, and all snapshots of streams.
    ///
    /// # Errors
    /// [`NotStored`] says whether they may have been removed.
    pub(crate) fn remove(
        &self,
        removals: Vec<Removal>,
        snapshots: Vec<StreamId>,
    ) -> impl Future<Output = Result<(), NotStored>> + Send + use<> {
        let (sender, removed) = oneshot::channel();
        // If the thread has ended, the work is dropped with the sender.
        let _ = self.work.send(Work::Removals(removals, snapshots, sender));
        async move { removed.await.unwrap_or(Err(NotStored::Stopped)) }
    }

    /// Returns the failure that poisoned the store, if there was one.
    pub(crate) fn failure(&self) -> Option<&StoreFailure> {
        self.poison.get()
    }

    /// Makes the committer finish the waiting work and drop the writer.
    pub(crate) fn stop(&self) {
        // Fails only if the thread has ended already.
        let _ = self.work.send(Work::Stop);
    }

    /// Returns whether the committer has dropped the writer.
    pub(crate) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }
}
