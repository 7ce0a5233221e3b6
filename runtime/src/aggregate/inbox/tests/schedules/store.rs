//! A model of the store: the log of one aggregate, the append in flight, and the room for appends.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{Conflict, ReadError};

use super::callers::Ticket;
use super::{lock, once_in, switch};
use crate::commit::committer::{NotStored, Waiter};

/// The model of the store. None of its locks is held at a switch.
#[derive(Default)]
pub(super) struct Store {
    log: Mutex<Vec<Ticket>>,
    is_stopped: AtomicBool,
    is_turn_running: AtomicBool,
    /// What an actor held when it failed. Its callers receive no answer, and it is never stored.
    dropped: Mutex<Vec<Ticket>>,
    /// An actor has failed that held requests.
    has_failed_actor: AtomicBool,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    is_full: bool,
    waiting: Vec<Waker>,
}

/// An append that waits for the store.
pub(super) struct Append {
    pub(super) stream: StreamId,
    pub(super) base: Version,
    pub(super) tickets: Vec<Ticket>,
    pub(super) is_assumed_new: bool,
    pub(super) running: RunningTurn,
    pub(super) waiter: Box<dyn Waiter>,
}

/// Exists while a turn is running.
pub(super) struct RunningTurn(Arc<Store>);

impl Drop for RunningTurn {
    fn drop(&mut self) {
        self.0.is_turn_running.store(false, Ordering::Relaxed);
    }
}

impl Store {
    /// Records that a turn starts.
    pub(super) fn start_turn(self: &Arc<Self>) -> RunningTurn {
        let is_second = self.is_turn_running.swap(true, Ordering::Relaxed);
        assert!(!is_second, "two turns are in flight");
        RunningTurn(self.clone())
    }

    /// Carries out an append, then completes its waiter.
    pub(super) fn carry_out(&self, append: Append) {
        switch();
        let outcome = self.store(&append);
        let Append { running, waiter, .. } = append;
        switch();
        drop(running);
        waiter.complete(outcome);
    }

    fn store(&self, append: &Append) -> Result<Position, NotStored> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(NotStored::Stopped);
        }
        let (expected, actual) = (append.base, self.version());
        if expected != actual {
            assert!(append.is_assumed_new, "decided at {expected}, and {actual} is stored");
            let stream = append.stream.clone();
            return Err(NotStored::Conflict(Conflict { stream, expected, actual }));
        }
        if once_in(6) {
            return Err(NotStored::Unreadable(ReadError::Closed));
        }
        lock(&self.log).extend(&append.tickets);
        let stored = self.stored();
        assert_eq!(stored.iter().map(id).collect::<HashSet<_>>().len(), stored.len(), "twice");
        Ok(Position::new(expected.get() + 1))
    }

    pub(super) fn version(&self) -> Version {
        Version::new(self.stored().len() as u64)
    }

    pub(super) fn stored(&self) -> Vec<Ticket> {
        lock(&self.log).clone()
    }

    /// Stores and reads nothing any more.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Records what an actor holds when it fails.
    pub(super) fn held_by_failed_actor(&self, tickets: impl IntoIterator<Item = Ticket>) {
        lock(&self.dropped).extend(tickets);
        self.has_failed_actor.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed_actor(&self) -> bool {
        self.has_failed_actor.load(Ordering::Relaxed)
    }

    pub(super) fn was_held_by_failed_actor(&self, ticket: Ticket) -> bool {
        lock(&self.dropped).contains(&ticket)
    }

    pub(super) fn has_room(&self) -> bool {
        !lock(&self.room).is_full
    }

    /// Waits until there is room for appends.
    pub(super) async fn room(&self) {
        poll_fn(|context| {
            let mut room = lock(&self.room);
            if !room.is_full {
                return Poll::Ready(());
            }
            room.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Another aggregate fills the room for appends, or leaves it.
    pub(super) fn set_full(&self, is_full: bool) {
        let mut room = lock(&self.room);
        room.is_full = is_full;
        let waiting = std::mem::take(&mut room.waiting);
        drop(room);
        if !is_full {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

fn id(ticket: &Ticket) -> (usize, usize) {
    (ticket.caller, ticket.number)
}
