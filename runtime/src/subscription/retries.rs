//! The keys whose parked events are being retried.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::ParkedError;

/// The result for a caller, sent when what was done is durable.
pub(super) type Answer = (oneshot::Sender<Result<usize, ParkedError>>, Result<usize, ParkedError>);

/// The keys whose parked events are being retried.
#[derive(Default)]
pub(super) struct Retries {
    pub(super) under_way: BTreeMap<Arc<str>, Retry>,
    /// Keys that wait for a worker.
    pub(super) waiting: VecDeque<Arc<str>>,
    /// Results to be sent once they are durable.
    answers: Vec<Answer>,
}

pub(super) struct Retry {
    /// Whether to drop the first event before anything is handled.
    pub(super) skips: bool,
    /// How many events a handler has handled, without those that were passed over.
    pub(super) handled: usize,
    /// `None` if an earlier retry is continued.
    pub(super) caller: Option<oneshot::Sender<Result<usize, ParkedError>>>,
}

impl Retries {
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    pub(super) fn end(
        &mut self,
        key: &str,
        answer: impl FnOnce(usize) -> Result<usize, ParkedError>,
    ) {
        if let Some(Retry { handled, caller: Some(caller), .. }) = self.under_way.remove(key) {
            self.answers.push((caller, answer(handled)));
        }
    }
}
