//! The only owner of the store's writer, on a thread of its own: drains what waits, makes one batch
//! of it, syncs once, then tells each waiter. It moves bytes and knows no actors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use actuarius_domain::Position;
use actuarius_persistence::{
    Append, AppendOutcome, Batch, Conflict, NewSnapshot, StoreFailure, Writer,
};

use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::panics::guarded;
use crate::telemetry::CommitMeters;

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
    Stop,
}

impl Committer {
    pub(crate) fn start(writer: Box<dyn Writer>, meters: CommitMeters) -> std::io::Result<Self> {
        // Unbounded, but never long: an aggregate has one append in flight, admission bounds the
        // requests behind them, and snapshots are bounded below.
        let (work, inbox) = mpsc::channel();
        let (landings, arrivals) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(tell_landings(arrivals));
        let poison = Poison::default();
        let snapshot_bytes = Arc::new(AtomicUsize::new(0));
        let desk = Desk {
            writer,
            inbox,
            poison: poison.clone(),
            snapshot_bytes: snapshot_bytes.clone(),
            batch: Batch::default(),
            waiters: Vec::new(),
            held_over: None,
            landings,
            meters,
        };
        let thread = std::thread::Builder::new()
            .name("actuarius-committer".to_owned())
            .spawn(move || desk.run())?;
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

/// The committer's thread.
struct Desk {
    writer: Box<dyn Writer>,
    inbox: Receiver<Work>,
    poison: Poison,
    snapshot_bytes: Arc<AtomicUsize>,
    batch: Batch,
    waiters: Vec<Box<dyn Waiter>>,
    /// Work that no longer fitted into the batch.
    held_over: Option<Work>,
    landings: UnboundedSender<Landings>,
    meters: CommitMeters,
}

/// What became of the appends of one group.
type Landings = Vec<(Box<dyn Waiter>, Result<Position, NotStored>)>;

/// Groups with more appends than this are told by a task, so that the next group is on its way
/// while hundreds of callers are woken; for a few, the way there would take longer than telling.
const TOLD_AT_ONCE: usize = 8;

/// What gathering a batch ended with.
#[derive(PartialEq)]
enum Gathered {
    Batch,
    LastBatch,
}

impl Desk {
    fn run(mut self) {
        loop {
            let gathered = self.gather();
            if !self.waiters.is_empty() || !self.batch.snapshots.is_empty() {
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
                tell(vec![(waiter, Err(NotStored::Stopped))]);
            }
        }
    }

    /// Fills the batch with what waits, up to what the store likes to sync at once.
    fn gather(&mut self) -> Gathered {
        let mut room = self.writer.batch_bytes();
        let mut next = self.held_over.take();
        loop {
            let work = match next.take() {
                Some(work) => work,
                None => match self.receive() {
                    Some(work) => work,
                    None => return Gathered::Batch,
                },
            };
            let bytes = work.bytes();
            if bytes > room && !self.is_batch_empty() {
                self.held_over = Some(work);
                return Gathered::Batch;
            }
            room = room.saturating_sub(bytes);
            match work {
                Work::Append(append, waiter) => {
                    self.batch.appends.push(append);
                    self.waiters.push(waiter);
                }
                Work::Snapshot(snapshot) => self.batch.snapshots.push(snapshot),
                Work::Stop => return Gathered::LastBatch,
            }
        }
    }

    /// The next work: waits for it when there is nothing to commit yet.
    fn receive(&mut self) -> Option<Work> {
        match self.inbox.try_recv() {
            Ok(work) => Some(work),
            Err(TryRecvError::Disconnected) => Some(Work::Stop),
            Err(TryRecvError::Empty) if self.is_batch_empty() => {
                self.settle();
                Some(self.inbox.recv().unwrap_or(Work::Stop))
            }
            Err(TryRecvError::Empty) => None,
        }
    }

    fn is_batch_empty(&self) -> bool {
        self.batch.appends.is_empty() && self.batch.snapshots.is_empty()
    }

    /// Nothing waits: the store may do what it put off.
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
        for snapshot in &batch.snapshots {
            self.snapshot_bytes.fetch_sub(snapshot.payload.len(), Ordering::Relaxed);
        }
        if let Some(failure) = self.poison.get() {
            return tell_all(waiters, &NotStored::Poisoned(failure.clone()));
        }
        match self.write(&batch) {
            Ok(outcomes) => {
                let outcomes = outcomes.into_iter().map(|it| it.map_err(NotStored::Conflict));
                self.tell(waiters.into_iter().zip(outcomes).collect());
            }
            Err(failure) => {
                self.fail(failure.clone());
                tell_all(waiters, &NotStored::Perhaps(failure));
            }
        }
    }

    fn tell(&self, landings: Landings) {
        if landings.len() <= TOLD_AT_ONCE {
            return tell(landings);
        }
        // The task ends only with the tokio runtime; then nobody is left to wait for it.
        if let Err(SendError(landings)) = self.landings.send(landings) {
            tell(landings);
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

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.bytes(),
            Self::Snapshot(snapshot) => snapshot.payload.len(),
            Self::Stop => 0,
        }
    }
}

/// Tells of group after group, in order. Never more than a few wait here: their aggregates append
/// nothing new before they are told.
async fn tell_landings(mut arrivals: UnboundedReceiver<Landings>) {
    while let Some(landings) = arrivals.recv().await {
        tell(landings);
    }
}

fn tell(landings: Landings) {
    for (waiter, outcome) in landings {
        // Answering drops values of the user's, whose code may panic; the others are told all the
        // same, and the waiter's own end tells its aggregate.
        let _ = guarded(|| waiter.landed(outcome));
    }
}

fn tell_all(waiters: Vec<Box<dyn Waiter>>, why: &NotStored) {
    tell(waiters.into_iter().map(|waiter| (waiter, Err(why.clone()))).collect());
}
