use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::Position;
use tokio::sync::{oneshot, watch};

/// How far a follower has come, and who waits for it to come further. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Inner>);

struct Inner {
    position: watch::Sender<Position>,
    /// Those who wait, by position and ticket. A wait that is dropped takes itself out, so there are
    /// never more than callers.
    waiting: Mutex<BTreeMap<(Position, u64), oneshot::Sender<()>>>,
    tickets: AtomicU64,
}

impl Progress {
    pub(crate) fn at(position: Position) -> Self {
        let (position, _) = watch::channel(position);
        Self(Arc::new(Inner { position, waiting: Mutex::default(), tickets: AtomicU64::new(0) }))
    }

    pub(crate) fn position(&self) -> Position {
        *self.0.position.borrow()
    }

    /// Tells of every change of the position; those in between may be skipped.
    pub(crate) fn changes(&self) -> watch::Receiver<Position> {
        self.0.position.subscribe()
    }

    /// Says how far it has come, which may be back: a view may have to begin anew.
    pub(crate) fn reached(&self, position: Position) {
        self.0.position.send_replace(position);
        let mut waiting = self.0.waiting();
        while let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= position) {
            // Who no longer waits has dropped the other end.
            let _ = first.remove().send(());
        }
    }

    /// Waits until it has come to `position`. May be dropped at any time.
    pub(crate) async fn wait_for(&self, position: Position) {
        if self.position() >= position {
            return;
        }
        let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, reached) = oneshot::channel();
        self.0.waiting().insert((position, ticket), sender);
        let _place = Place { inner: &self.0, key: (position, ticket) };
        // It may have come there before we were in the list.
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

/// A place among those who wait.
struct Place<'a> {
    inner: &'a Inner,
    key: (Position, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.waiting().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_at_its_position_and_not_before() {
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
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let progress = Progress::at(Position::NONE);
        let mut wait = Box::pin(progress.wait_for(Position::new(1)));
        tokio::select! { biased; () = &mut wait => unreachable!("nothing moves"), () = std::future::ready(()) => {} }
        assert_eq!(progress.0.waiting().len(), 1);
        drop(wait);
        assert!(progress.0.waiting().is_empty());
    }
}
