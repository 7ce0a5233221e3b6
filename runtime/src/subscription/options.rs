//! The options of a subscription: where it begins, and how it handles events.

use std::time::Duration;

use actuarius_domain::Position;

use crate::follow::followers::Retry;

/// The place in the log where a subscription begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first event in the log.
    #[default]
    Beginning,
    /// With the event after this position.
    After(Position),
    /// With what is stored from now on.
    End,
}

/// What happens to an event whose last attempt, as [`Retry`] allows, has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnPoison {
    /// The event is set aside durably, with every later event of its key, in order; other keys continue.
    #[default]
    Park,
    /// The subscription waits until it is [resumed](super::Subscription::resume). While an event waits for
    /// its next attempt no other is started, so that with one worker the events are handled in the order of
    /// the whole log.
    Halt,
}

/// What a subscription or a saga does that has been started before and now receives further events: another aggregate
/// type, another event type, or the ends of streams.
///
/// It has passed the earlier ones of these events. Which events it receives is stored with its checkpoint, so that
/// this is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Widening {
    /// It does not start: [`StartError::Widened`](crate::error::StartError::Widened) names the events.
    #[default]
    Refused,
    /// It continues, and receives these events from here on. The earlier ones are never handled.
    FromHere,
    /// It begins again as at its very first start, without its parked events. It receives every event once more, so
    /// its handlers must accept repetitions.
    FromBeginning,
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
