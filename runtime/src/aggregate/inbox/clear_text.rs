//! What a slot knows about clear text in the state: which subjects it may belong to, and whether the state
//! must be rebuilt because one of these subjects was forgotten.

use actuarius_persistence::personal::{Fingerprint, Subjects};

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

    pub(super) fn set_subjects(&mut self, subjects: &Subjects) {
        self.subjects = (!subjects.is_empty()).then(|| Box::new(subjects.clone()));
    }

    pub(super) fn may_hold(&self, subject: Fingerprint) -> bool {
        self.subjects.as_ref().is_some_and(|subjects| subjects.may_have(subject))
    }

    pub(super) fn request_rebuild(&mut self) {
        self.rebuild = Rebuild::Requested;
    }

    /// Records that the state to be rebuilt has been dropped.
    pub(super) fn state_dropped(&mut self) {
        if self.rebuild == Rebuild::Started {
            self.rebuild = Rebuild::No;
        }
    }
}
