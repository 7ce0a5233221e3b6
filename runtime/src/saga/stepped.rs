//! The events of an instance: a step with the state of the saga after it, or one that left the state as it was.

use actuarius_domain::{STEPPED, Version};
use serde::{Deserialize, Serialize};

use super::in_place::InPlace;
use super::stored::Step;

/// The event type of steps that left the state as it was.
pub(crate) const STEPPED_IN_PLACE: &str = "SteppedInPlace";

/// At least one of so many steps in a row is stored with the state, so that the state after any step is found near it.
pub(super) const WHOLE_EVERY: u64 = 64;

/// The event of an instance.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Stepped<S> {
    Stepped {
        /// The state of the saga after the step.
        saga: S,
        step: Step,
    },
    /// The state of the saga is as it was before.
    SteppedInPlace(InPlace),
}

impl<S> Stepped<S> {
    pub(super) fn step(&self) -> &Step {
        match self {
            Self::Stepped { step, .. } | Self::SteppedInPlace(InPlace(step)) => step,
        }
    }

    /// Returns the state if it is in the event, and the step.
    pub(super) fn into_parts(self) -> (Option<S>, Step) {
        match self {
            Self::Stepped { saga, step } => (Some(saga), step),
            Self::SteppedInPlace(InPlace(step)) => (None, step),
        }
    }
}

/// Whether an event type is one of steps.
pub(crate) fn is_step(event_type: &str) -> bool {
    event_type == STEPPED || event_type == STEPPED_IN_PLACE
}

/// Whether the step with this version is stored with the state in any case.
pub(super) fn is_whole(version: Version) -> bool {
    version.get() <= 1 || version.get().is_multiple_of(WHOLE_EVERY)
}

/// Returns the version after which to read, to find the state before the step after `after`.
pub(super) fn before_whole(after: Version) -> Version {
    let whole = (after.get().saturating_add(1) / WHOLE_EVERY * WHOLE_EVERY).max(1);
    Version::new(whole - 1)
}
