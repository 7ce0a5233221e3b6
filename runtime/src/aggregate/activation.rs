//! [`Activation`]: what the parts of one incarnation share.

use std::sync::Arc;

use actuarius_domain::Aggregate;

use super::hosted_type::HostedType;
use super::inbox::{Epoch, Slot};
use crate::base::error::Failure;

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
    /// Answers the waiting requests, because the runtime has closed.
    pub(crate) fn end(&self) {
        for request in self.slot.end() {
            request.fail(Failure::shutting_down(), &self.hosted.meters);
        }
    }

    /// Starts the next incarnation.
    pub(crate) fn start_next(&self, epoch: Epoch) {
        self.owner.clone().start(self.slot.clone(), epoch);
    }
}
