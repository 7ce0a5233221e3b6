//! Notifies the waiters of groups that have been written.

use actuarius_domain::Position;
use actuarius_persistence::Batch;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
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
        loop {
            match self.0.try_recv() {
                Ok((outcomes, _batch)) => notify(outcomes),
                // The committer is sending a group at this moment: tokio counts it before it is there.
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(TryRecvError::Disconnected) => return,
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actuarius_persistence::StoreFailure;

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    impl Waiter for Counted {
        fn complete(self: Box<Self>, _: Result<Position, NotStored>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A group that the committer was sending at the moment at which the tokio runtime ended was lost: its
    /// callers, in another tokio runtime, waited without end although their events were durable.
    #[test]
    fn a_group_that_is_sent_while_the_tokio_runtime_ends_is_notified() {
        const GROUPS: usize = 20;
        for _ in 0..500 {
            let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (finished, groups) = tokio::sync::mpsc::unbounded_channel();
            tokio.spawn(Notifier(groups).run());
            let notified = Arc::new(AtomicUsize::new(0));
            let waiter = Counted(notified.clone());
            let committer = std::thread::spawn(move || {
                for _ in 0..GROUPS {
                    let failure = StoreFailure::new("any", std::io::ErrorKind::Other.into());
                    let waiter: Box<dyn Waiter> = Box::new(Counted(waiter.0.clone()));
                    let outcomes = vec![(waiter, Err(NotStored::Perhaps(failure)))];
                    if let Err(unsent) = finished.send((outcomes, Batch::default())) {
                        notify(unsent.0.0);
                    }
                }
                finished
            });
            drop(tokio);
            let _finished = committer.join().expect("no panic");
            assert_eq!(notified.load(Ordering::SeqCst), GROUPS);
        }
    }
}
