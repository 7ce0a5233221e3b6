//! [`Timers`]: the timers of all aggregates of one type, as functions of their states and as notes of the store.
//!
//! A note names a time that is not later than the one that the state says. So a time that is replaced by a later
//! one writes nothing; when the noted time is reached, the aggregate is asked, and the note is armed again.

mod note;
mod status;
mod table;

use std::future::Future;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Timestamp};
use actuarius_persistence::Notes;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, watch};

use super::timed_hosting::Declared;
use crate::base::error::Unavailable;
use crate::base::panics::guarded;
use crate::base::telemetry::TimerMeters;
use crate::commit::committer::NotStored;
use crate::engine::Engine;
use note::EARLIEST;
pub(crate) use note::{ASK_NOW, Marks, parse, prefix_of, prefix_of_type};
use status::Failing;
pub use status::TimersHealth;
use table::Table;
pub(crate) use table::{DueTimer, Ended, Timer};

/// How many timers of one type are being delivered at once. Each may load an aggregate, and by default so many are
/// recovered at once; more would only wait for them, in front of the callers.
pub(crate) const DELIVERIES_AT_ONCE: usize = 64;

/// The timers of all aggregates of one type.
pub(crate) struct Timers<A: Aggregate> {
    pub(crate) engine: Arc<Engine>,
    declared: Box<[Declared<A>]>,
    table: Table,
    loading: watch::Sender<Loading>,
    /// Rings when a timer may be due earlier than the one that was the next.
    bell: Notify,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) meters: TimerMeters,
    failing: Failing,
}

/// Whether the notes have been read.
#[derive(Debug, Clone)]
pub(crate) enum Loading {
    Reading,
    Failing(String),
    Ready,
}

impl<A: Aggregate> Timers<A> {
    pub(crate) fn new(engine: Arc<Engine>, declared: Vec<Declared<A>>) -> Self {
        Self {
            engine,
            declared: declared.into(),
            table: Table::default(),
            loading: watch::Sender::new(Loading::Reading),
            bell: Notify::new(),
            permits: Arc::new(Semaphore::new(DELIVERIES_AT_ONCE)),
            meters: TimerMeters::of(A::TYPE),
            failing: Failing::default(),
        }
    }

    /// Waits until the notes have been read. Without them, a turn would not know which times were delivered.
    ///
    /// # Errors
    /// They cannot be read now.
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        let mut loading = self.loading.subscribe();
        let read = loading.wait_for(|it| !matches!(it, Loading::Reading)).await;
        match read.as_deref() {
            Ok(Loading::Failing(why)) => {
                Err(Unavailable::Recovery(format!("the timers of {:?}: {why}", A::TYPE)))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(Unavailable::ShuttingDown),
        }
    }

    pub(crate) fn set_loading(&self, loading: Loading) {
        self.loading.send_replace(loading);
    }

    pub(crate) fn load(&self, id: Arc<str>, timer: Timer, marks: Marks) {
        self.table.load(id, timer, marks);
    }

    pub(crate) fn named(&self, name: &str) -> Option<Timer> {
        let place = self.declared.iter().position(|it| *it.name == *name)?;
        // There are at most 16.
        Some(place as Timer)
    }

    pub(crate) fn name(&self, timer: Timer) -> &str {
        &self.declared[usize::from(timer)].name
    }

    /// Returns when a state wants the timer. May panic, as the user's code may.
    pub(crate) fn due(&self, timer: Timer, state: &A) -> Option<Timestamp> {
        (self.declared[usize::from(timer)].due)(state).map(|at| at.max(EARLIEST))
    }

    /// Returns the command of a timer. May panic, as the user's code may.
    pub(crate) fn command(&self, timer: Timer, state: &A) -> A::Command {
        (self.declared[usize::from(timer)].command)(state)
    }

    fn all(&self) -> impl Iterator<Item = Timer> + use<A> {
        0..self.declared.len() as Timer
    }

    /// Returns whether the type has this timer.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// Arms the timers that a state sets. The events that led to it are handed to the committer after this, so a
    /// timer is durable no later than they are.
    pub(crate) fn state_is(&self, id: &Arc<str>, state: &A) {
        for timer in self.all() {
            let at = guarded(|| self.due(timer, state)).unwrap_or_else(|panic| {
                self.panicked(id, timer, &panic);
                Some(ASK_NOW)
            });
            self.says(id, timer, at);
        }
    }

    /// Makes every timer ask the aggregate soon, because its state is not known now.
    pub(crate) fn state_is_unknown(&self, id: &Arc<str>) {
        self.all().for_each(|timer| self.says(id, timer, Some(ASK_NOW)));
    }

    /// A state says when it wants the timer.
    pub(crate) fn says(&self, id: &Arc<str>, timer: Timer, at: Option<Timestamp>) {
        let is_past = |at| at <= self.engine.clock.now();
        let write = |marks| drop(self.store(id, timer, Some(marks)));
        if self.table.says(id, timer, at, (is_past, write)) {
            self.bell.notify_one();
        }
    }

    /// The stream of the aggregate ends, so its timers are removed.
    pub(crate) fn stream_ends(&self, id: &Arc<str>) {
        let write = |timer, marks| drop(self.store(id, timer, Some(marks)));
        if self.table.ends(id, write) {
            self.bell.notify_one();
        }
    }

    fn store(
        &self,
        id: &str,
        timer: Timer,
        marks: Option<Marks>,
    ) -> impl Future<Output = Result<(), NotStored>> + Send + use<A> {
        let notes: Notes = note::change(A::TYPE, id, self.name(timer), marks);
        self.engine.committer.store_notes(notes)
    }

    fn panicked(&self, id: &str, timer: Timer, panic: &str) {
        let _ = guarded(|| {
            tracing::error!(
                target: "actuarius::timers",
                aggregate = A::TYPE,
                id = %id.escape_debug(),
                timer = self.name(timer),
                panic,
                "the function of a timer panicked; the aggregate is asked again"
            );
        });
    }
}

/// Deliveries.
impl<A: Aggregate> Timers<A> {
    /// Waits until there may be a timer that is due earlier. Rings before the first poll are not lost.
    pub(crate) fn rung(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// Takes a timer that is due, to deliver it.
    pub(crate) fn take_due(&self, now: Timestamp) -> Option<DueTimer> {
        self.table.take_due(now)
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.table.next_due()
    }

    pub(crate) fn may_have_been_sent(&self, due: &DueTimer) -> bool {
        self.table.may_have_been_sent(due)
    }

    pub(crate) fn perhaps_sent(&self, due: &DueTimer) {
        self.table.perhaps_sent(due);
    }

    /// The aggregate is asked for its command.
    pub(crate) fn asks(&self, due: &DueTimer) {
        self.table.asks(due);
    }

    /// The command is being decided now.
    pub(crate) fn fires(&self, due: &DueTimer) {
        self.table.fires(due);
    }

    /// Gives up a delivery that has failed, because the clock was set back to before its time.
    pub(crate) async fn put_back(&self, due: &DueTimer) {
        self.table.put_back(due);
        self.ended(due, Ended::NotDue).await;
        self.recovered();
    }

    /// Ends a delivery, and stores what remains of the timer.
    pub(crate) async fn ended(&self, due: &DueTimer, ended: Ended) {
        let mut stored = None;
        let is_past = |at| at <= self.engine.clock.now();
        let write = |marks| stored = Some(self.store(&due.id, due.timer, marks));
        self.table.ended(due, ended, (is_past, write));
        self.bell.notify_one();
        if let Some(stored) = stored {
            // Otherwise the store has failed or is closed; the next start asks the aggregate again.
            let _ = stored.await;
        }
    }

    /// An attempt of a delivery has failed, which is its first one or another one.
    pub(crate) fn failed(&self, is_first: bool, why: String) {
        self.failing.failed(is_first, why);
        self.meters.failed();
        self.report();
    }

    /// A delivery has ended that had failed before.
    pub(crate) fn recovered(&self) {
        self.failing.ended();
        self.report();
    }

    /// Updates the gauges.
    pub(crate) fn report(&self) {
        self.meters.set(self.table.armed(), self.failing.all().0);
    }

    pub(crate) fn health(&self) -> TimersHealth {
        let (failing, last_failure) = self.failing.all();
        let unread = match &*self.loading.borrow() {
            Loading::Failing(why) => Some(why.clone()),
            Loading::Reading | Loading::Ready => None,
        };
        let (armed, last_failure) = (self.table.armed(), last_failure.or(unread));
        TimersHealth { aggregate: A::TYPE, armed, failing, last_failure }
    }

    /// Ends the deliveries: those that have started end, and no other one starts.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.bell.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// Returns how many timers are being delivered now.
    pub(crate) fn under_way(&self) -> usize {
        DELIVERIES_AT_ONCE - self.permits.available_permits()
    }
}
