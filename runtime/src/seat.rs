use std::sync::Arc;

use actuarius_domain::Aggregate;

use crate::error::Failure;
use crate::home::Home;
use crate::slot::{Epoch, Slot};

/// One incarnation's place: what its actor, its recovery and its appends in flight share.
pub(crate) struct Seat<A: Aggregate> {
    pub(crate) home: Arc<Home<A>>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) epoch: Epoch,
    pub(crate) keeper: Arc<dyn Keeper<A>>,
}

/// Who keeps the slots. An incarnation does not know more of its directory than this.
pub(crate) trait Keeper<A: Aggregate>: Send + Sync {
    /// Starts an incarnation for what waits in the slot.
    fn start(self: Arc<Self>, slot: Arc<Slot<A>>, epoch: Epoch);

    /// Takes a slot out of the directory, if it is still the one there.
    fn forget(&self, slot: &Arc<Slot<A>>);
}

impl<A: Aggregate> Seat<A> {
    /// Answers what waits; the runtime has closed.
    pub(crate) fn end(&self) {
        for request in self.slot.end() {
            request.fail(Failure::shutting_down(), &self.home.meters);
        }
    }

    /// Starts the incarnation that follows this one.
    pub(crate) fn start_next(&self, epoch: Epoch) {
        self.keeper.clone().start(self.slot.clone(), epoch);
    }
}
