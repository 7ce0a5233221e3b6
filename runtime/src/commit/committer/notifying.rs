//! Notifies the waiters of groups that have been written.

use actuarius_domain::Position;
use actuarius_persistence::Batch;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::work::{NotStored, Waiter};
use crate::base::panics::guarded;

/// Waits until notes are stored, or events and snapshots removed.
pub(super) type NotesWaiter = oneshot::Sender<Result<(), NotStored>>;

/// The outcomes of the appends of one group, with their waiters.
pub(super) type Outcomes = Vec<(Box<dyn Waiter>, Result<Position, NotStored>)>;

/// A group that has been written. Its batch is freed by the task that notifies the waiters, so that
/// freeing it does not delay the next group.
pub(super) type FinishedGroup = (Outcomes, Batch);

/// Notifies the waiters of one group after another, in order. Only few groups wait here: their
/// aggregates append nothing new before they are notified.
pub(super) struct Notifier(pub(super) UnboundedReceiver<FinishedGroup>);

impl Notifier {
    pub(super) async fn run(mut self) {
        while let Some((outcomes, batch)) = self.0.recv().await {
            notify(outcomes);
            drop(batch);
        }
    }
}

impl Drop for Notifier {
    /// The tokio runtime has ended. Callers in another one still wait for what is durable.
    fn drop(&mut self) {
        self.0.close();
        while let Ok((outcomes, _batch)) = self.0.try_recv() {
            notify(outcomes);
        }
    }
}

pub(super) fn notify(outcomes: Outcomes) {
    for (waiter, outcome) in outcomes {
        // Notifying drops values of the user's, whose code may panic. The other waiters are still
        // notified, and dropping the waiter notifies its aggregate.
        let _ = guarded(|| waiter.complete(outcome));
    }
}

pub(super) fn notify_notes_waiters(
    notes_waiters: Vec<NotesWaiter>,
    outcome: &Result<(), NotStored>,
) {
    for waiter in notes_waiters {
        // Fails if the waiter has dropped its future.
        let _ = waiter.send(outcome.clone());
    }
}

pub(super) fn notify_all(
    waiters: Vec<Box<dyn Waiter>>,
    notes_waiters: Vec<NotesWaiter>,
    why: &NotStored,
) {
    notify_notes_waiters(notes_waiters, &Err(why.clone()));
    notify(waiters.into_iter().map(|waiter| (waiter, Err(why.clone()))).collect());
}
