//! The committer's thread: gathers work into a batch, writes it, and notifies the waiters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use actuarius_persistence::{Append, AppendOutcome, Batch, StoreFailure, Writer};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::error::SendError;

use super::linger::{LINGER, Linger};
use super::notifying::{
    FinishedGroup, NotesWaiter, Notifier, Outcomes, notify, notify_all, notify_notes_waiters,
};
use super::waiting_bytes::WaitingBytes;
use super::work::{NotStored, Poison, Waiter, Work};
use crate::base::panics::{Entered, guarded};
use crate::base::telemetry::CommitMeters;
use crate::commit::admission::Admission;
use crate::commit::tail::Tail;
use crate::commit::waiting_snapshots::{Share, WaitingSnapshots};

/// What the committer's thread owns.
pub(super) struct CommitLoop {
    writer: Box<dyn Writer>,
    inbox: Receiver<Work>,
    admission: Arc<Admission>,
    tail: Arc<Tail>,
    poison: Poison,
    waiting_snapshots: Arc<WaitingSnapshots>,
    snapshot_bytes: Arc<AtomicUsize>,
    /// The bytes of snapshots that wait in the store.
    waiting_in_store: usize,
    append_bytes: Arc<WaitingBytes>,
    batch: Batch,
    waiters: Vec<Box<dyn Waiter>>,
    /// The waiters for the batch's notes and removals.
    notes_waiters: Vec<NotesWaiter>,
    /// Work that did not fit into the last batch.
    held_over: Option<Work>,
    finished: UnboundedSender<FinishedGroup>,
    meters: CommitMeters,
}

/// Waiters of groups with more appends than this are notified by a task, so that the next group is
/// written while hundreds of callers are woken. For fewer, handing them over would take longer than
/// notifying them.
const NOTIFIED_BY_THREAD: usize = 8;

/// How many bytes of a batch a removal counts for: the store rewrites a page for it.
const REMOVAL_BYTES: usize = 8 * 1024;

/// Idle time before the store is asked to settle.
const IDLE: Duration = Duration::from_millis(5);

/// Whether more batches follow the gathered one.
#[derive(PartialEq)]
enum Gathered {
    Batch,
    LastBatch,
}

impl CommitLoop {
    /// Creates the loop, and spawns the task that notifies the waiters of large groups.
    pub(super) fn new(
        writer: Box<dyn Writer>,
        inbox: Receiver<Work>,
        (admission, tail): (Arc<Admission>, Arc<Tail>),
        meters: CommitMeters,
    ) -> Self {
        let (finished, groups) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(Notifier(groups).run());
        Self {
            writer,
            inbox,
            admission,
            tail,
            poison: Poison::default(),
            waiting_snapshots: Arc::default(),
            snapshot_bytes: Arc::default(),
            waiting_in_store: 0,
            append_bytes: Arc::new(WaitingBytes::new(usize::MAX)),
            batch: Batch::default(),
            waiters: Vec::new(),
            notes_waiters: Vec::new(),
            held_over: None,
            finished,
            meters,
        }
    }

    /// Shares with the handle what it reads.
    pub(super) fn sharing(
        mut self,
        poison: Poison,
        (waiting_snapshots, snapshot_bytes): (Arc<WaitingSnapshots>, Arc<AtomicUsize>),
        append_bytes: Arc<WaitingBytes>,
    ) -> Self {
        (self.poison, self.snapshot_bytes) = (poison, snapshot_bytes);
        self.waiting_snapshots = waiting_snapshots;
        self.append_bytes = append_bytes;
        self
    }

    pub(super) fn run(mut self) {
        loop {
            match guarded(|| self.step()) {
                Ok(Gathered::Batch) => {}
                Ok(Gathered::LastBatch) => break,
                // A metrics recorder or a tracing layer, or a defect. The waiters that it was about to notify
                // were dropped, so their callers know that the outcome is unknown.
                Err(panic) => self.fail(StoreFailure::new(
                    "the committer panicked",
                    std::io::Error::other(panic),
                )),
            }
        }
        self.refuse_later_work();
        while guarded(|| self.store_waiting_snapshots()) == Ok(true) {}
        let _ = guarded(|| self.settle());
        self.close();
    }

    /// Drops what was sent after the stop, whose waiters are notified by that: storing the rest may take long. From now on
    /// no work can be sent.
    fn refuse_later_work(&mut self) {
        let (_sender, closed) = channel();
        drop((self.held_over.take(), std::mem::replace(&mut self.inbox, closed)));
        self.append_bytes.close();
    }

    /// Puts the next snapshots that wait into the batch.
    fn take_waiting_snapshots(&mut self, share: Share) {
        let taken = self.waiting_snapshots.take(share);
        let bytes = taken.iter().map(|snapshot| snapshot.payload.len()).sum();
        self.snapshot_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.batch.snapshots.extend(taken);
    }

    /// Stores the next snapshots that wait. Returns whether there were any.
    fn store_waiting_snapshots(&mut self) -> bool {
        self.take_waiting_snapshots(Share::Last);
        let are_any = !self.is_batch_empty();
        if are_any {
            self.commit();
        }
        are_any
    }

    /// Closes the store's writer. A failure cannot be retried; the shutdown reports it.
    fn close(self) {
        let Self { writer, poison, .. } = self;
        let closed = guarded(|| writer.close());
        if let Err(failure) = closed.unwrap_or_else(|panic| Err(writer_panicked(panic))) {
            let _ = guarded(|| {
                tracing::error!(target: "actuarius::committer", %failure, "closing the store failed");
            });
            let _ = poison.set(failure);
        }
    }

    fn step(&mut self) -> Gathered {
        let gathered = self.gather();
        let is_idle = self.is_batch_empty();
        self.take_waiting_snapshots(if is_idle { Share::Idle } else { Share::OfGroup });
        if !self.is_batch_empty() {
            self.commit();
        }
        gathered
    }

    /// Fills the batch with the waiting work, up to the number of bytes that the store prefers to sync at
    /// once.
    fn gather(&mut self) -> Gathered {
        let mut room = self.batch_bytes();
        let mut next = self.held_over.take();
        let mut linger = Linger::default();
        loop {
            let Some(work) = next.take().or_else(|| self.receive(&mut linger)) else {
                return Gathered::Batch;
            };
            let bytes = work.bytes();
            if bytes > room && !self.is_batch_empty() {
                self.held_over = Some(work);
                return Gathered::Batch;
            }
            room = room.saturating_sub(bytes);
            match work {
                Work::Append(append, waiter) => {
                    linger.commands += append.commits();
                    self.batch.appends.push(append);
                    self.waiters.push(waiter.take());
                }
                Work::Snapshot(snapshot) => self.batch.snapshots.push(snapshot),
                Work::SnapshotWaits => {}
                Work::Notes(notes, waiter) => {
                    self.batch.notes.push(notes);
                    self.notes_waiters.push(waiter);
                }
                Work::Removals(removals, snapshots, waiter) => {
                    self.waiting_snapshots.forget(&snapshots);
                    self.batch.removals.extend(removals);
                    self.batch.snapshots_dropped.extend(snapshots);
                    self.notes_waiters.push(waiter);
                }
                Work::Stop => return Gathered::LastBatch,
            }
        }
    }

    /// Returns how many bytes the store prefers to sync at once. A store that has failed is asked nothing
    /// more, and writes nothing more.
    fn batch_bytes(&mut self) -> usize {
        if self.poison.get().is_some() {
            return 0;
        }
        let bytes = guarded(|| self.writer.batch_bytes());
        bytes.map_err(|panic| self.fail(writer_panicked(panic))).unwrap_or_default()
    }

    /// Receives the next work: waits for it if there is nothing to commit yet, and briefly if many more
    /// requests are inside.
    fn receive(&mut self, linger: &mut Linger) -> Option<Work> {
        loop {
            match self.inbox.try_recv() {
                Ok(work) => return Some(work),
                Err(TryRecvError::Disconnected) => return Some(Work::Stop),
                Err(TryRecvError::Empty) if self.is_batch_empty() => {
                    let snapshots_wait = !self.waiting_snapshots.is_empty();
                    return if snapshots_wait { None } else { Some(self.wait_for_work()) };
                }
                Err(TryRecvError::Empty) if linger.is_worth_it(self.admission.inside()) => {
                    std::thread::sleep(LINGER);
                }
                Err(TryRecvError::Empty) => return None,
            }
        }
    }

    fn wait_for_work(&mut self) -> Work {
        if let Some(work) = self.advance_until_work() {
            return work;
        }
        match self.inbox.recv_timeout(IDLE) {
            Ok(work) => work,
            Err(RecvTimeoutError::Disconnected) => Work::Stop,
            Err(RecvTimeoutError::Timeout) => {
                self.settle();
                self.inbox.recv().unwrap_or(Work::Stop)
            }
        }
    }

    /// Lets the store do postponed work, piece by piece, until other work arrives or nothing is left.
    fn advance_until_work(&mut self) -> Option<Work> {
        while self.poison.get().is_none() && self.advance() {
            match self.inbox.try_recv() {
                Ok(work) => return Some(work),
                Err(TryRecvError::Disconnected) => return Some(Work::Stop),
                Err(TryRecvError::Empty) => {}
            }
        }
        None
    }

    /// Lets the store do a piece of postponed work. Returns whether more is left.
    fn advance(&mut self) -> bool {
        let advanced =
            guarded(|| self.writer.advance()).unwrap_or_else(|panic| Err(writer_panicked(panic)));
        self.count_waiting();
        advanced.map_err(|failure| self.fail(failure)).unwrap_or(false)
    }

    /// Counts the snapshots that the store has taken and not stored yet as waiting.
    fn count_waiting(&mut self) {
        // A store that has failed stores them no more, and is not asked.
        let is_poisoned = self.poison.get().is_some();
        let waiting = if is_poisoned { Ok(0) } else { guarded(|| self.writer.waiting_bytes()) };
        let waiting =
            waiting.map_err(|panic| self.fail(writer_panicked(panic))).unwrap_or_default();
        // The sum wraps around if fewer wait than before.
        let change = waiting.wrapping_sub(self.waiting_in_store);
        self.snapshot_bytes.fetch_add(change, Ordering::Relaxed);
        self.waiting_in_store = waiting;
    }

    fn is_batch_empty(&self) -> bool {
        let Batch { appends, snapshots, notes, .. } = &self.batch;
        // Notes and removals always have a waiter.
        appends.is_empty()
            && snapshots.is_empty()
            && notes.is_empty()
            && self.notes_waiters.is_empty()
    }

    /// Lets the store do the work that it has put off, as nothing else waits.
    fn settle(&mut self) {
        if self.poison.get().is_some() {
            return;
        }
        let settled = guarded(|| self.writer.settle());
        if let Err(failure) = settled.unwrap_or_else(|panic| Err(writer_panicked(panic))) {
            self.fail(failure);
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let waiters = std::mem::take(&mut self.waiters);
        let notes_waiters = std::mem::take(&mut self.notes_waiters);
        self.release_bytes(&batch);
        if let Some(failure) = self.poison.get() {
            return notify_all(waiters, notes_waiters, &NotStored::Poisoned(failure.clone()));
        }
        let written = self.write(&batch);
        self.count_waiting();
        match written {
            Ok(outcomes) => {
                self.tail.publish(&batch.appends, &outcomes);
                notify_notes_waiters(notes_waiters, &Ok(()));
                let outcomes = outcomes.into_iter().map(|it| it.map_err(NotStored::from));
                self.notify(waiters.into_iter().zip(outcomes).collect(), batch);
            }
            Err(failure) => {
                self.fail(failure.clone());
                notify_all(waiters, notes_waiters, &NotStored::Perhaps(failure));
            }
        }
    }

    /// Makes room for the next work: a batch is bounded by itself.
    fn release_bytes(&self, batch: &Batch) {
        for snapshot in &batch.snapshots {
            self.snapshot_bytes.fetch_sub(snapshot.payload.len(), Ordering::Relaxed);
        }
        self.append_bytes.remove(batch.appends.iter().map(Append::bytes).sum());
    }

    fn notify(&self, outcomes: Outcomes, batch: Batch) {
        if outcomes.len() <= NOTIFIED_BY_THREAD {
            return notify(outcomes);
        }
        // The task ends only with the tokio runtime; then no caller waits any more.
        if let Err(SendError((outcomes, _batch))) = self.finished.send((outcomes, batch)) {
            notify(outcomes);
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let (appends, snapshots) = (batch.appends.len(), batch.snapshots.len());
        let _entered = Entered::into(
            || tracing::debug_span!(target: "actuarius::commit", "commit", appends, snapshots),
        );
        let started = Instant::now();
        let written = guarded(|| self.writer.commit(batch))
            .unwrap_or_else(|panic| Err(writer_panicked(panic)));
        if written.is_ok() {
            self.meters.committed(batch, started.elapsed());
        }
        written
    }

    fn fail(&mut self, failure: StoreFailure) {
        // First, whatever a tracing layer or a metrics recorder does.
        let _ = self.poison.set(failure.clone());
        let _ = guarded(|| {
            tracing::error!(
                target: "actuarius::committer",
                %failure,
                "the store failed; nothing is acknowledged any more until it is reopened"
            );
            self.meters.poisoned();
        });
    }
}

fn writer_panicked(panic: String) -> StoreFailure {
    StoreFailure::new("the store's writer panicked", std::io::Error::other(panic))
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.bytes(),
            Self::Snapshot(snapshot) => snapshot.payload.len(),
            Self::Notes(notes, _) => notes.bytes(),
            Self::Removals(removals, ..) => removals.len() * REMOVAL_BYTES,
            Self::SnapshotWaits | Self::Stop => 0,
        }
    }
}
