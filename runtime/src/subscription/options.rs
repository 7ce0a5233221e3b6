//! The options of a subscription: where it begins, and how it handles events.

use std::time::Duration;

use actuarius_domain::Position;

use crate::follow::followers::Retry;

/// Where in the log a subscription begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first event there is.
    #[default]
    Beginning,
    /// With the event behind this position.
    After(Position),
    /// With what is stored from now on.
    End,
}

/// What becomes of an event that fails as often as [`Retry`] allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnPoison {
    /// It is set aside, with every later event of its key, in order and durably; other keys go on.
    #[default]
    Park,
    /// Everything waits, until it is let to [`resume`](Subscription::resume). While an event waits
    /// for its next attempt nothing new is started either, so that with one worker the events are
    /// handled in the order of the whole log.
    Halt,
}

/// How events are handled.
pub(super) struct Options {
    pub(super) workers: usize,
    pub(super) retry: Retry,
    pub(super) on_poison: OnPoison,
    pub(super) checkpoint_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            retry: Retry::default(),
            on_poison: OnPoison::default(),
            checkpoint_every: Duration::from_millis(100),
        }
    }
}
