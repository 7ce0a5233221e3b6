//! The instances that cannot be loaded at present, because their stored steps cannot be read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::status::{InstanceStatus, SagaInstance};
use crate::base::error::Failure;

/// The instances whose last request failed because they cannot be loaded, with the reason. There are never more than
/// live instances and callers.
#[derive(Default)]
pub(super) struct Unreadable {
    all: Mutex<BTreeMap<Arc<str>, String>>,
    /// How many they are, so that a request to a readable instance takes no lock.
    many: AtomicUsize,
}

impl Unreadable {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, String>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that an instance has answered a request.
    pub(super) fn answered(&self, id: &str) {
        if self.many.load(Ordering::Relaxed) > 0 {
            let mut all = self.all();
            all.remove(id);
            self.many.store(all.len(), Ordering::Relaxed);
        }
    }

    /// Records why a request failed, if the reason is that the instance cannot be loaded.
    pub(super) fn failed(&self, id: &Arc<str>, failure: &Failure) {
        if let Failure::Quarantined(_) | Failure::Undecodable(_) = failure {
            let mut all = self.all();
            all.insert(id.clone(), failure.to_string());
            self.many.store(all.len(), Ordering::Relaxed);
        }
    }

    /// Returns the instances.
    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        self.all().keys().cloned().collect()
    }

    /// Shows an instance as quarantined if it is one of them.
    pub(super) fn show(&self, mut shown: SagaInstance) -> SagaInstance {
        if self.many.load(Ordering::Relaxed) > 0
            && let Some(why) = self.all().get(&*shown.id)
            && !shown.status.is_in_trouble()
        {
            shown.status = InstanceStatus::Quarantined { why: why.clone() };
        }
        shown
    }
}
