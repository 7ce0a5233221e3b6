//! The committer's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use actuarius_domain::Position;
use actuarius_persistence::{AppendOutcome, Batch, StoreFailure, Writer};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::super::admission::Admission;
use super::super::tail::Tail;
use super::{NotStored, Poison, Waiter, Work};
use crate::base::panics::guarded;
use crate::base::telemetry::CommitMeters;

pub(super) struct CommitLoop {
    writer: Box<dyn Writer>,
    inbox: Receiver<Work>,
    admission: Arc<Admission>,
    tail: Arc<Tail>,
    poison: Poison,
    snapshot_bytes: Arc<AtomicUsize>,
    batch: Batch,
    waiters: Vec<Box<dyn Waiter>>,
    /// Those who wait for notes.
    notes_waiters: Vec<NotesWaiter>,
    /// Work that no longer fitted into the batch.
    held_over: Option<Work>,
    landings: UnboundedSender<FinishedGroup>,
    meters: CommitMeters,
}

/// Who waits for notes to be kept.
type NotesWaiter = oneshot::Sender<Result<(), NotStored>>;

/// What became of the appends of one group.
type Outcomes = Vec<(Box<dyn Waiter>, Result<Position, NotStored>)>;

/// A group that has landed. Its batch goes along, to be freed where it was allocated and not on
/// the way of the next group.
type FinishedGroup = (Outcomes, Batch);

/// Groups with more appends than this are told by a task, so that the next group is on its way
/// while hundreds of callers are woken; for a few, the way there would take longer than telling.
const TOLD_AT_ONCE: usize = 8;

/// How many requests must be inside the runtime before a group waits for more of them.
const LINGER_FROM: usize = 32;

/// How long a group waits for more at a time, and how often: a fraction of what a sync takes. It sleeps instead of listening, so that those who bring more need not wake it.
const LINGER: Duration = Duration::from_micros(60);
const LINGER_TIMES: usize = 4;

/// What a removal takes of a batch: the store writes a page anew for it.
const REMOVAL_BYTES: usize = 8 * 1024;

/// How long nothing comes before the store is told so.
const IDLE: Duration = Duration::from_millis(5);

/// What gathering a batch ended with.
#[derive(PartialEq)]
enum Gathered {
    Batch,
    LastBatch,
}

impl CommitLoop {
    /// The desk, and the task that tells of its groups.
    pub(super) fn new(
        writer: Box<dyn Writer>,
        inbox: Receiver<Work>,
        (admission, tail): (Arc<Admission>, Arc<Tail>),
        meters: CommitMeters,
    ) -> Self {
        let (landings, arrivals) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(answer_landings(arrivals));
        Self {
            writer,
            inbox,
            admission,
            tail,
            poison: Poison::default(),
            snapshot_bytes: Arc::default(),
            batch: Batch::default(),
            waiters: Vec::new(),
            notes_waiters: Vec::new(),
            held_over: None,
            landings,
            meters,
        }
    }

    /// Shares with the handle what it looks at.
    pub(super) fn sharing(mut self, poison: Poison, snapshot_bytes: Arc<AtomicUsize>) -> Self {
        (self.poison, self.snapshot_bytes) = (poison, snapshot_bytes);
        self
    }

    pub(super) fn run(mut self) {
        loop {
            let gathered = self.gather();
            if !self.is_batch_empty() {
                self.commit();
            }
            if gathered == Gathered::LastBatch {
                break;
            }
        }
        self.settle();
        // What came behind the stop: nothing of it was written.
        while let Ok(work) = self.inbox.try_recv() {
            if let Work::Append(_, waiter) = work {
                answer(vec![(waiter, Err(NotStored::Stopped))]);
            }
        }
    }

    /// Fills the batch with what waits, up to what the store likes to sync at once.
    fn gather(&mut self) -> Gathered {
        let mut room = self.writer.batch_bytes();
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
                    self.waiters.push(waiter);
                }
                Work::Snapshot(snapshot) => self.batch.snapshots.push(snapshot),
                Work::Notes(notes, keeper) => {
                    self.batch.notes.push(notes);
                    self.notes_waiters.push(keeper);
                }
                Work::Removals(removals, snapshots, keeper) => {
                    self.batch.removals.extend(removals);
                    self.batch.snapshots_dropped.extend(snapshots);
                    self.notes_waiters.push(keeper);
                }
                Work::Stop => return Gathered::LastBatch,
            }
        }
    }

    /// The next work: waits for it when there is nothing to commit yet, and a little when much more
    /// is to be expected.
    fn receive(&mut self, linger: &mut Linger) -> Option<Work> {
        loop {
            match self.inbox.try_recv() {
                Ok(work) => return Some(work),
                Err(TryRecvError::Disconnected) => return Some(Work::Stop),
                Err(TryRecvError::Empty) if self.is_batch_empty() => {
                    return Some(self.wait_for_work());
                }
                Err(TryRecvError::Empty) if linger.is_worth_it(self.admission.inside()) => {
                    std::thread::sleep(LINGER);
                }
                Err(TryRecvError::Empty) => return None,
            }
        }
    }

    fn wait_for_work(&mut self) -> Work {
        match self.inbox.recv_timeout(IDLE) {
            Ok(work) => work,
            Err(RecvTimeoutError::Disconnected) => Work::Stop,
            Err(RecvTimeoutError::Timeout) => {
                self.settle();
                self.inbox.recv().unwrap_or(Work::Stop)
            }
        }
    }

    fn is_batch_empty(&self) -> bool {
        let Batch { appends, snapshots, notes, .. } = &self.batch;
        // Notes and removals have someone who waits for them.
        appends.is_empty()
            && snapshots.is_empty()
            && notes.is_empty()
            && self.notes_waiters.is_empty()
    }

    /// Nothing comes: the store may do what it put off.
    fn settle(&mut self) {
        if self.poison.get().is_some() {
            return;
        }
        if let Err(failure) = self.writer.settle() {
            self.fail(failure);
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let waiters = std::mem::take(&mut self.waiters);
        let notes_waiters = std::mem::take(&mut self.notes_waiters);
        for snapshot in &batch.snapshots {
            self.snapshot_bytes.fetch_sub(snapshot.payload.len(), Ordering::Relaxed);
        }
        if let Some(failure) = self.poison.get() {
            return answer_all(waiters, notes_waiters, &NotStored::Poisoned(failure.clone()));
        }
        match self.write(&batch) {
            Ok(outcomes) => {
                self.tail.publish(&batch.appends, &outcomes);
                answer_notes_waiters(notes_waiters, &Ok(()));
                let outcomes = outcomes.into_iter().map(|it| it.map_err(NotStored::Conflict));
                self.answer(waiters.into_iter().zip(outcomes).collect(), batch);
            }
            Err(failure) => {
                self.fail(failure.clone());
                answer_all(waiters, notes_waiters, &NotStored::Perhaps(failure));
            }
        }
    }

    fn answer(&self, landings: Outcomes, batch: Batch) {
        if landings.len() <= TOLD_AT_ONCE {
            return answer(landings);
        }
        // The task ends only with the tokio runtime; then nobody is left to wait for it.
        if let Err(SendError((landings, _batch))) = self.landings.send((landings, batch)) {
            answer(landings);
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let span = tracing::debug_span!(
            target: "actuarius::commit",
            "commit",
            appends = batch.appends.len(),
            snapshots = batch.snapshots.len()
        );
        let _entered = span.enter();
        let started = Instant::now();
        let written = guarded(|| self.writer.commit(batch)).unwrap_or_else(|panic| {
            Err(StoreFailure::new("the store's writer panicked", std::io::Error::other(panic)))
        });
        if written.is_ok() {
            self.meters.committed(batch, started.elapsed());
        }
        written
    }

    fn fail(&mut self, failure: StoreFailure) {
        tracing::error!(
            target: "actuarius::committer",
            %failure,
            "the store failed; nothing is acknowledged any more until it is reopened"
        );
        self.meters.poisoned();
        let _ = self.poison.set(failure);
    }
}

/// How a group waits for more.
///
/// When a large group has landed, its callers come back one by one; taking the first few at once
/// would make them pay for a sync of their own and the others wait for it. Half of all that are
/// inside is the best a group can get: the other half is being decided meanwhile.
#[derive(Default)]
struct Linger {
    /// The commands in the group.
    commands: usize,
    /// As many as there were at the last look.
    before: usize,
    times: usize,
}

impl Linger {
    /// Whether to wait once more: not when nothing came the last time.
    fn is_worth_it(&mut self, inside: usize) -> bool {
        let grows = self.times == 0 || self.commands > self.before;
        let wanted = inside >= LINGER_FROM && self.commands < inside / 2;
        self.before = self.commands;
        self.times += 1;
        wanted && grows && self.times <= LINGER_TIMES
    }
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.bytes(),
            Self::Snapshot(snapshot) => snapshot.payload.len(),
            Self::Notes(notes, _) => notes.bytes(),
            Self::Removals(removals, ..) => removals.len() * REMOVAL_BYTES,
            Self::Stop => 0,
        }
    }
}

/// Tells of group after group, in order. Never more than a few wait here: their aggregates append
/// nothing new before they are told.
async fn answer_landings(mut arrivals: UnboundedReceiver<FinishedGroup>) {
    while let Some((landings, batch)) = arrivals.recv().await {
        answer(landings);
        drop(batch);
    }
}

fn answer(landings: Outcomes) {
    for (waiter, outcome) in landings {
        // Answering drops values of the user's, whose code may panic; the others are told all the
        // same, and the waiter's own end tells its aggregate.
        let _ = guarded(|| waiter.landed(outcome));
    }
}

fn answer_notes_waiters(notes_waiters: Vec<NotesWaiter>, outcome: &Result<(), NotStored>) {
    for keeper in notes_waiters {
        // Who no longer waits has dropped the other end.
        let _ = keeper.send(outcome.clone());
    }
}

fn answer_all(waiters: Vec<Box<dyn Waiter>>, notes_waiters: Vec<NotesWaiter>, why: &NotStored) {
    answer_notes_waiters(notes_waiters, &Err(why.clone()));
    answer(waiters.into_iter().map(|waiter| (waiter, Err(why.clone()))).collect());
}
