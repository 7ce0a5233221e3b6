//! What the handle asks a running subscription for.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::error::{ParkedError, ResetError};
use super::options::Start;
use super::parked::{Parked, ParkedOfKey};

/// A request of the handle. Each has a caller that waits, so there are never more requests than callers.
pub(super) enum Request {
    /// Reports when the subscription is paused durably.
    Paused(oneshot::Sender<()>),
    /// The first parked event of each key.
    Parked(oneshot::Sender<Vec<Parked>>),
    /// The parked events of one key.
    ParkedOf(String, oneshot::Sender<ParkedOfKey>),
    Retry {
        key: String,
        skip_first: bool,
        caller: oneshot::Sender<Result<usize, ParkedError>>,
    },
    Reset(Start, oneshot::Sender<Result<(), ResetError>>),
}

/// Requests that take a while.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) pausing: Vec<oneshot::Sender<()>>,
    pub(super) resets: VecDeque<(Start, oneshot::Sender<Result<(), ResetError>>)>,
}

impl Requests {
    pub(super) fn wants_reset(&self) -> bool {
        !self.resets.is_empty()
    }

    pub(super) fn notify_paused(&mut self) {
        for caller in self.pausing.drain(..) {
            // A caller that gave up has dropped the other end.
            let _ = caller.send(());
        }
    }
}
