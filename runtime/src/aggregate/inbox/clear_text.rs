//! What a slot knows of the clear text in the state: whose it is, and whether it has to go because one
//! of these subjects was forgotten.

use actuarius_domain::Aggregate;
use actuarius_persistence::keys::{Fingerprint, Subjects};

use super::{Inner, Phase, Slot};

#[derive(Default)]
pub(super) struct ClearText {
    /// Whose the incarnation may hold; none for most.
    whose: Option<Box<Subjects>>,
    renewal: Renewal,
}

/// Whether the state has to be rebuilt from what is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Renewal {
    #[default]
    No,
    Asked,
    /// The actor has heard of it, and has not yet let go of the state.
    Begun,
}

impl ClearText {
    pub(super) fn is_to_renew(&self) -> bool {
        self.renewal != Renewal::No
    }

    pub(super) fn begin_renewal(&mut self) -> bool {
        let renews = self.is_to_renew();
        if renews {
            self.renewal = Renewal::Begun;
        }
        renews
    }
}

impl<A: Aggregate> Slot<A> {
    /// Notes whose clear text the incarnation holds, in place of what was noted before.
    pub(crate) fn holds(&self, subjects: &Subjects) {
        let whose = (!subjects.is_empty()).then(|| Box::new(subjects.clone()));
        self.lock().clear_text.whose = whose;
    }

    /// Has the state rebuilt if it may hold the clear text of this subject. Whether it may.
    pub(crate) fn renew_if_it_holds(&self, subject: Fingerprint) -> bool {
        let mut inner = self.lock();
        let holds = inner.clear_text.whose.as_ref().is_some_and(|whose| whose.may_have(subject));
        let renews = holds && inner.is_here();
        if renews {
            inner.renew();
        }
        renews
    }

    /// Has the state rebuilt before anything else is done with it.
    pub(crate) fn renew(&self) {
        self.lock().renew();
    }

    /// The state that was to be rebuilt is not in memory any more.
    pub(crate) fn let_go(&self) {
        let clear_text = &mut self.lock().clear_text;
        if clear_text.renewal == Renewal::Begun {
            clear_text.renewal = Renewal::No;
        }
    }

    /// Whether a state that is to be rebuilt is still in memory.
    pub(crate) fn is_to_renew(&self) -> bool {
        let inner = self.lock();
        inner.is_here() && inner.clear_text.is_to_renew()
    }
}

impl<A: Aggregate> Inner<A> {
    fn is_here(&self) -> bool {
        matches!(self.phase, Phase::Resident(_) | Phase::Loading)
    }

    fn renew(&mut self) {
        self.clear_text.renewal = Renewal::Asked;
        self.ring();
    }
}
