//! The optimistic start: the first step of a saga is decided before its stream is looked up.
//!
//! A request may assume that its aggregate does not exist yet. Its state is then empty without a recovery,
//! and the store proves the assumption when it accepts the events as the first of the stream, or refuses
//! them. Until then no reply may depend on the state.

/// Whether an incarnation is known to match what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    Known,
    /// It is only assumed that nothing is stored.
    Assumed,
    /// Nothing is stored by assumption, and the first request had no events to prove it.
    Unproven,
}

impl Certainty {
    /// Whether the state may serve a request after the one that made the assumption.
    pub(crate) fn is_known(self) -> bool {
        self == Self::Known
    }

    /// Takes the decision of a request: without events there is nothing that the store could accept or
    /// refuse. Returns whether a reply may be given.
    pub(crate) fn allows_reply(&mut self, has_events: bool) -> bool {
        if !self.is_known() && !has_events {
            *self = Self::Unproven;
        }
        self.is_known() || has_events
    }

    /// Whether the state must be recovered before the waiting requests are served. `first_assumes_new` is
    /// `None` if none waits, otherwise whether the first one makes the assumption itself.
    pub(crate) fn must_recover(self, first_assumes_new: Option<bool>) -> bool {
        match self {
            Self::Known => false,
            Self::Assumed => first_assumes_new == Some(false),
            Self::Unproven => first_assumes_new.is_some(),
        }
    }
}
