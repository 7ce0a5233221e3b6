//! [`Activation`]: what the parts of one incarnation share.

use std::collections::VecDeque;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Version};

use super::hosted_type::HostedType;
use super::inbox::{Epoch, Slot};
use super::request::Request;
use crate::base::error::{Failure, Quarantine, QuarantineReason, Unavailable};

/// What the actor of an incarnation, its recovery and its appends in flight share.
pub(crate) struct Activation<A: Aggregate> {
    pub(crate) hosted: Arc<HostedType<A>>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) epoch: Epoch,
    pub(crate) owner: Arc<dyn SlotOwner<A>>,
}

/// The directory, as far as an incarnation knows it.
pub(crate) trait SlotOwner<A: Aggregate>: Send + Sync {
    /// Starts an incarnation for the requests that wait in the slot.
    fn start(self: Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch);

    /// Removes a slot from the directory, unless another slot has replaced it.
    fn remove(&self, slot: &Arc<Slot<A>>);
}

impl<A: Aggregate> Activation<A> {
    /// Starts the next incarnation.
    pub(crate) fn start_next(&self, epoch: Epoch) {
        self.owner.clone().start(self.slot.clone(), epoch);
    }

    /// Puts requests that were taken and not processed back into the slot. If it serves none any more, because
    /// the runtime has ended or the aggregate is quarantined, they are answered.
    pub(crate) fn put_back(&self, requests: VecDeque<Request<A>>) {
        if let Some(refused) = self.slot.put_back(requests) {
            for request in refused.requests {
                request.fail(refused.why.clone(), &self.hosted.meters);
            }
        }
    }

    /// Answers the waiting requests, because the aggregate cannot be read now. The next request tries again.
    pub(crate) fn close_unavailable(&self, why: &Unavailable) {
        let remove = || self.owner.remove(&self.slot);
        for request in self.slot.recovery_failed(self.epoch, remove) {
            request.fail(Failure::Unavailable(why.clone()), &self.hosted.meters);
        }
    }

    /// Puts the aggregate out of service and answers its waiting requests.
    pub(crate) fn quarantine(&self, why: Quarantine) -> Arc<Quarantine> {
        let why = self.hosted.quarantine(&self.slot, why);
        self.retain_slot();
        why
    }

    /// Puts the aggregate out of service, because the user's code panicked while it was recovered.
    pub(crate) fn quarantine_after_failed_recovery(&self, panic: String) {
        self.quarantine(self.recovery_panicked(panic));
    }

    pub(crate) fn recovery_panicked(&self, panic: String) -> Quarantine {
        let id = self.slot.stream.shared_id().clone();
        let reason = QuarantineReason::RecoveryPanicked(panic);
        Quarantine { aggregate: A::TYPE, id, version: Version::NONE, position: None, reason }
    }

    /// Keeps a slot without an incarnation in the directory. Their number is bounded: beyond it, the oldest
    /// ones are removed.
    pub(crate) fn retain_slot(&self) {
        self.hosted.residency.retain(&self.slot, |oldest| self.owner.remove(oldest));
    }
}
