//! What a slot knows about clear text in the state: which subjects it may belong to, and whether the state
//! must be rebuilt because one of these subjects was forgotten.

use actuarius_domain::Aggregate;
use actuarius_persistence::personal::{Fingerprint, Subjects};

use super::Slot;
use super::state::SlotState;

#[derive(Default)]
pub(super) struct ClearText {
    /// The subjects whose clear text the incarnation may hold; `None` for most.
    subjects: Option<Box<Subjects>>,
    rebuild: Rebuild,
}

/// Whether the state must be rebuilt from what is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Rebuild {
    #[default]
    No,
    Requested,
    /// The actor has taken the request and has not yet dropped the state.
    Started,
}

impl ClearText {
    pub(super) fn needs_rebuild(&self) -> bool {
        self.rebuild != Rebuild::No
    }

    pub(super) fn start_rebuild(&mut self) -> bool {
        let needed = self.needs_rebuild();
        if needed {
            self.rebuild = Rebuild::Started;
        }
        needed
    }
}

impl<A: Aggregate> Slot<A> {
    /// Replaces the subjects whose clear text the incarnation may hold.
    pub(crate) fn set_subjects(&self, subjects: &Subjects) {
        let subjects = (!subjects.is_empty()).then(|| Box::new(subjects.clone()));
        self.lock().clear_text.subjects = subjects;
    }

    /// Requests a rebuild if the state may hold clear text of this subject, and returns whether it may.
    pub(crate) fn rebuild_if_it_may_hold(&self, subject: Fingerprint) -> bool {
        let mut state = self.lock();
        let subjects = state.clear_text.subjects.as_ref();
        let affected =
            subjects.is_some_and(|subjects| subjects.may_have(subject)) && state.is_in_memory();
        if affected {
            state.request_rebuild();
        }
        affected
    }

    /// Requests that the state is rebuilt before it is used again.
    pub(crate) fn request_rebuild(&self) {
        self.lock().request_rebuild();
    }

    /// Records that the state to be rebuilt has been dropped.
    pub(crate) fn state_dropped(&self) {
        let clear_text = &mut self.lock().clear_text;
        if clear_text.rebuild == Rebuild::Started {
            clear_text.rebuild = Rebuild::No;
        }
    }

    /// Returns whether a state that is to be rebuilt is still in memory.
    pub(crate) fn needs_rebuild(&self) -> bool {
        let state = self.lock();
        state.is_in_memory() && state.clear_text.needs_rebuild()
    }
}

impl<A: Aggregate> SlotState<A> {
    fn request_rebuild(&mut self) {
        self.clear_text.rebuild = Rebuild::Requested;
        self.ring();
    }
}
