//! [`Turns`]: lets the deletions of one stream change it one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::StreamId;
use tokio::sync::OwnedMutexGuard;

/// A lock for each stream that is being deleted. There are never more than deletions at work.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<StreamId, Arc<tokio::sync::Mutex<()>>>>>);

/// The turn of one deletion, until this is dropped. The field that is declared first is dropped first.
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    _ticket: Ticket,
}

/// A deletion that has its turn or waits for it.
struct Ticket {
    turns: Turns,
    stream: StreamId,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// Waits until no other deletion of the stream has its turn. May be dropped at any time.
    pub(crate) async fn of(&self, stream: &StreamId) -> Turn {
        let lock = self.locks().entry(stream.clone()).or_default().clone();
        let ticket = Ticket { turns: self.clone(), stream: stream.clone(), lock };
        Turn { _guard: ticket.lock.clone().lock_owned().await, _ticket: ticket }
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut locks = self.turns.locks();
        // The map has one, and this ticket the other: no other ticket has one.
        if Arc::strong_count(&self.lock) <= 2 {
            locks.remove(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_has_one_turn_at_a_time_and_leaves_no_lock() {
        let turns = Turns::default();
        let stream = |id| StreamId::new("sum", id).unwrap();
        let first = turns.of(&stream("a")).await;
        drop(turns.of(&stream("b")).await);
        let a = stream("a");
        let (mut second, mut dropped) = (Box::pin(turns.of(&a)), Box::pin(turns.of(&a)));
        for waiting in [&mut second, &mut dropped] {
            tokio::select! { biased; _ = waiting => panic!("two at once"), () = std::future::ready(()) => {} }
        }
        drop(dropped);
        drop(first);
        let second = second.await;
        assert_eq!(turns.locks().len(), 1);
        drop(second);
        assert!(turns.locks().is_empty());
    }
}
