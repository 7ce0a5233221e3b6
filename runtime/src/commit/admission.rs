//! [`Admission`]: bounds the number of requests inside the runtime, and refuses new ones once closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::base::error::{Failure, Limit};

/// Counts the requests inside the runtime and refuses more than the limit, or any once closed.
///
/// This bound and the bound of each inbox keep memory bounded.
pub(crate) struct Admission {
    inside: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { inside: AtomicUsize::new(0), limit, closed: AtomicBool::new(false) })
    }

    /// Admits one request, which counts as inside until its permit is dropped.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] once closed, [`Failure::Overloaded`] at the limit.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Permit, Failure> {
        // The permit is created first, so that every return path decrements the count.
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

/// Counts one request as inside; dropping it ends that.
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
    fn at_the_limit_requests_are_refused_until_a_permit_is_dropped() {
        let admission = Admission::new(1);
        let first = admission.enter().expect("room for one");
        assert!(matches!(admission.enter(), Err(Failure::Overloaded(Limit::Pending(1)))));
        drop(first);
        assert!(admission.enter().is_ok());
        assert_eq!(admission.inside(), 0);
    }

    #[test]
    fn a_closed_admission_refuses_every_request() {
        let admission = Admission::new(1);
        admission.close();
        assert!(matches!(admission.enter(), Err(Failure::Unavailable(_))));
        assert_eq!(admission.inside(), 0);
    }
}
