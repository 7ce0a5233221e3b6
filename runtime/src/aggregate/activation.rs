use std::sync::Arc;

use actuarius_domain::Aggregate;

use super::hosted_type::HostedType;
use super::inbox::{Epoch, Slot};
use crate::base::error::Failure;

/// One incarnation's place: what its actor, its recovery and its appends in flight share.
pub(crate) struct Activation<A: Aggregate> {
    pub(crate) hosted: Arc<HostedType<A>>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) epoch: Epoch,
    pub(crate) owner: Arc<dyn SlotOwner<A>>,
}

/// Who keeps the slots. An incarnation does not know more of its directory than this.
pub(crate) trait SlotOwner<A: Aggregate>: Send + Sync {
    /// Starts an incarnation for what waits in the slot.
    fn start(self: Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch);

    /// Takes a slot out of the directory, if it is still the one there.
    fn forget(&self, slot: &Arc<Slot<A>>);
}

impl<A: Aggregate> Activation<A> {
    /// Answers what waits; the runtime has closed.
    pub(crate) fn end(&self) {
        for request in self.slot.end() {
            request.fail(Failure::shutting_down(), &self.hosted.meters);
        }
    }

    /// Starts the incarnation that follows this one.
    pub(crate) fn start_next(&self, epoch: Epoch) {
        self.owner.clone().start(self.slot.clone(), epoch);
    }
}
