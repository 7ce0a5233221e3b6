//! The steps that the model of a subscription may take.

use proptest::prelude::*;

use super::KEYS;

/// What may happen to a subscription.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The next event is read, and fails if nothing holds it up.
    Come {
        fails: bool,
    },
    FinishSlow,
    Retry {
        key: u8,
        fails: bool,
    },
    Skip(u8),
    Store,
    CutPower,
    Reset {
        choice: usize,
        sets: usize,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let key = 1..KEYS;
    prop_oneof![
        10 => prop::bool::weighted(0.3).prop_map(|fails| Step::Come { fails }),
        4 => Just(Step::FinishSlow),
        6 => (key.clone(), prop::bool::weighted(0.2))
            .prop_map(|(key, fails)| Step::Retry { key, fails }),
        2 => key.prop_map(Step::Skip),
        5 => Just(Step::Store),
        2 => Just(Step::CutPower),
        1 => (any::<usize>(), 1..12usize)
            .prop_map(|(choice, sets)| Step::Reset { choice, sets }),
    ]
}
