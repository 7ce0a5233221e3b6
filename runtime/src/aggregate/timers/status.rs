//! [`TimersHealth`]: the state of the timers of one aggregate type.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state of the timers of one aggregate type. Part of [`Health`](crate::Health).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimersHealth {
    /// The aggregate type.
    pub aggregate: &'static str,
    /// How many timers are armed.
    pub armed: usize,
    /// How many of them are due and could not be delivered so far. They are tried again.
    pub failing: usize,
    /// Why the last attempt failed, or why the timers could not be read, if that is so now.
    pub last_failure: Option<String>,
}

/// The deliveries that have failed and not ended yet.
#[derive(Default)]
pub(super) struct Failing(Mutex<(usize, Option<String>)>);

impl Failing {
    fn lock(&self) -> MutexGuard<'_, (usize, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt has failed: the first one of its delivery, or another one.
    pub(super) fn failed(&self, is_first: bool, why: String) {
        let mut failing = self.lock();
        failing.0 += usize::from(is_first);
        failing.1 = Some(why);
    }

    /// A delivery that had failed has ended.
    pub(super) fn ended(&self) {
        let mut failing = self.lock();
        failing.0 -= 1;
        if failing.0 == 0 {
            failing.1 = None;
        }
    }

    /// Returns how many fail, and why the last one did.
    pub(super) fn all(&self) -> (usize, Option<String>) {
        self.lock().clone()
    }
}
