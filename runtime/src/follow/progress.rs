//! `Progress`: the position of a follower, and waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::Position;
use tokio::sync::{Notify, oneshot, watch};

/// The position of a follower, and the tasks that wait for it to reach a later one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Inner>);

struct Inner {
    position: watch::Sender<Position>,
    /// The waiting tasks, by position and ticket. A dropped wait removes its entry, so there are never more than
    /// callers.
    waiting: Mutex<BTreeMap<(Position, u64), oneshot::Sender<()>>>,
    tickets: AtomicU64,
    /// Notified by each wait. It keeps one notification until the follower looks.
    demand: Notify,
}

impl Progress {
    pub(crate) fn at(position: Position) -> Self {
        let (position, _) = watch::channel(position);
        let (waiting, tickets) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { position, waiting, tickets, demand: Notify::new() }))
    }

    pub(crate) fn position(&self) -> Position {
        *self.0.position.borrow()
    }

    /// Returns a receiver of the position. It may skip intermediate positions.
    pub(crate) fn changes(&self) -> watch::Receiver<Position> {
        self.0.position.subscribe()
    }

    /// Sets the position, which may be an earlier one: a view may have to start again.
    pub(crate) fn reached(&self, position: Position) {
        self.0.position.send_replace(position);
        let mut waiting = self.0.waiting();
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= position) {
            // A dropped wait has dropped the receiver.
            let _ = first.remove().send(());
        }
    }

    /// Returns whether a task waits for a position up to `head`.
    pub(crate) fn is_awaited(&self, head: Position) -> bool {
        self.0.waiting().first_key_value().is_some_and(|((position, _), _)| *position <= head)
    }

    /// Asks the follower to let no more events gather.
    pub(crate) fn demand(&self) {
        self.0.demand.notify_one();
    }

    /// Waits until a task waits for a position or [`demand`](Self::demand) is called. Returns at once if one has since the last call. May be dropped at any
    /// time.
    pub(crate) async fn demanded(&self) {
        self.0.demand.notified().await;
    }

    /// Waits until it has reached `position`. May be dropped at any time.
    pub(crate) async fn wait_for(&self, position: Position) {
        if self.position() >= position {
            return;
        }
        let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, reached) = oneshot::channel();
        self.0.waiting().insert((position, ticket), sender);
        self.demand();
        let _entry = WaitEntry { inner: &self.0, key: (position, ticket) };
        // It may have been reached before the entry was inserted.
        if self.position() < position {
            let _ = reached.await;
        }
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(Position, u64), oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a waiting task.
struct WaitEntry<'a> {
    inner: &'a Inner,
    key: (Position, u64),
}

impl Drop for WaitEntry<'_> {
    fn drop(&mut self) {
        self.inner.waiting().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_at_its_position_and_not_before() {
        let progress = Progress::at(Position::NONE);
        let wait = |position: u64| {
            let progress = progress.clone();
            tokio::spawn(async move { progress.wait_for(Position::new(position)).await })
        };
        let (near, far) = (wait(2), wait(9));
        while progress.0.waiting().len() < 2 {
            tokio::task::yield_now().await;
        }
        progress.reached(Position::new(5));
        near.await.unwrap();
        assert_eq!(progress.0.waiting().len(), 1);
        progress.reached(Position::new(9));
        far.await.unwrap();
        progress.wait_for(Position::new(9)).await;
    }

    #[tokio::test]
    async fn a_dropped_wait_leaves_no_entry() {
        let progress = Progress::at(Position::NONE);
        let mut wait = Box::pin(progress.wait_for(Position::new(1)));
        tokio::select! { biased; () = &mut wait => unreachable!("nothing moves"), () = std::future::ready(()) => {} }
        assert_eq!(progress.0.waiting().len(), 1);
        drop(wait);
        assert!(progress.0.waiting().is_empty());
    }
}
