//! Rebuilds of a state that may hold clear text of a forgotten subject.

use actuarius_domain::Aggregate;
use actuarius_persistence::personal::{Fingerprint, Subjects};

use super::Slot;
use super::state::SlotState;

impl<A: Aggregate> Slot<A> {
    /// Replaces the subjects whose clear text the incarnation may hold.
    pub(crate) fn set_subjects(&self, subjects: &Subjects) {
        self.lock().clear_text.set_subjects(subjects);
    }

    /// Requests a rebuild if the state may hold clear text of this subject, and returns whether it may.
    pub(crate) fn rebuild_if_it_may_hold(&self, subject: Fingerprint) -> bool {
        self.change(|state| {
            let affected = state.clear_text.may_hold(subject) && state.is_in_memory();
            if affected {
                state.request_rebuild();
            }
            affected
        })
    }

    /// Requests that the state is rebuilt before it is used again.
    pub(crate) fn request_rebuild(&self) {
        self.change(SlotState::request_rebuild);
    }

    /// Records that the state to be rebuilt has been dropped.
    pub(crate) fn state_dropped(&self) {
        self.lock().clear_text.state_dropped();
    }

    /// Returns whether a state that is to be rebuilt is still in memory.
    pub(crate) fn needs_rebuild(&self) -> bool {
        let state = self.lock();
        state.is_in_memory() && state.clear_text.needs_rebuild()
    }
}
