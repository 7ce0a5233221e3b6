use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::base::error::{Failure, Limit};

/// The door of the runtime: counts the requests inside, and closes.
///
/// ractor's mailboxes have no bound, so this and the inboxes' bound are what keeps memory flat.
pub(crate) struct Admission {
    inside: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { inside: AtomicUsize::new(0), limit, closed: AtomicBool::new(false) })
    }

    /// Lets one request in, until its permit is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Permit, Failure> {
        // The permit is made first, so that every way out gives the place back.
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(self.clone());
        if self.closed.load(Ordering::Acquire) {
            return Err(Failure::shutting_down());
        }
        if before >= self.limit {
            return Err(Failure::Overloaded(Limit::Pending(self.limit)));
        }
        Ok(permit)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }
}

/// One request's place in the runtime.
pub(crate) struct Permit(Arc<Admission>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_limit_nobody_enters_until_somebody_leaves() {
        let door = Admission::new(1);
        let first = door.enter().expect("room for one");
        assert!(matches!(door.enter(), Err(Failure::Overloaded(Limit::Pending(1)))));
        drop(first);
        assert!(door.enter().is_ok());
        assert_eq!(door.inside(), 0);
    }

    #[test]
    fn a_closed_door_lets_nobody_in() {
        let door = Admission::new(1);
        door.close();
        assert!(matches!(door.enter(), Err(Failure::Unavailable(_))));
        assert_eq!(door.inside(), 0);
    }
}
