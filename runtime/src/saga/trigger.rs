//! `Trigger`: the event of an input, and which instances it concerns.

use actuarius_domain::{Correlation, Position};

/// The event of an input, and the keys that it adds.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    pub(super) stream: String,
    pub(super) event_type: String,
    pub(super) position: Position,
    pub(super) keys: Vec<String>,
}

/// Which instances an event concerns: new ones, existing ones, or both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Concern {
    pub(super) starts: bool,
    pub(super) continues: bool,
}

impl Concern {
    pub(super) fn of(correlation: &Correlation) -> Self {
        Self { starts: correlation.starts(), continues: correlation.continues() }
    }
}
