//! Retries the parked events of many keys, a few at a time, and reports each key.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;

use super::error::ParkedError;
use super::parked::Parked;

/// How many keys are retried at once, at most: enough that one write makes many results durable, and few beside the
/// 64 requests that may wait.
const KEYS_AT_ONCE: usize = 16;

/// The result of a retry of one of many keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetriedKey {
    /// The key.
    pub key: Arc<str>,
    /// How many of its events were handled, or what stays parked. Events that a retry passes over are not counted:
    /// see [`Subscription::retry_parked`](crate::subscription::Subscription::retry_parked).
    pub outcome: Result<usize, ParkedError>,
    /// How many keys are done, including this one.
    pub done: usize,
    /// How many keys are to be retried.
    pub of: usize,
}

pub(super) type Looking = Pin<Box<dyn Future<Output = Vec<Parked>> + Send>>;
pub(super) type Retrying = Pin<Box<dyn Future<Output = Result<usize, ParkedError>> + Send>>;

/// Begins the retry of a key.
type Retry = Box<dyn Fn(&str) -> Retrying + Send>;

/// The retry of many keys. Dropping it begins no more keys.
struct RetryMany<W> {
    retry: Retry,
    wanted: W,
    at_once: usize,
    looking: Option<Looking>,
    waiting: VecDeque<Arc<str>>,
    at_work: Vec<(Arc<str>, Retrying)>,
    done: usize,
    of: usize,
}

/// Retries the keys whose first parked event is wanted. At most half of the `workers` are busy with it, so that other
/// events are handled meanwhile.
pub(super) fn retry_many<W>(
    (looking, retry): (Looking, Retry),
    workers: usize,
    wanted: W,
) -> impl Stream<Item = RetriedKey> + Send + Unpin + use<W>
where
    W: FnMut(&Parked) -> bool + Send + Unpin + 'static,
{
    RetryMany {
        retry,
        wanted,
        at_once: (workers / 2).clamp(1, KEYS_AT_ONCE),
        looking: Some(looking),
        waiting: VecDeque::new(),
        at_work: Vec::new(),
        done: 0,
        of: 0,
    }
}

impl<W: FnMut(&Parked) -> bool + Unpin> Stream for RetryMany<W> {
    type Item = RetriedKey;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RetriedKey>> {
        let this = &mut *self;
        if let Some(looking) = &mut this.looking {
            let mut parked = ready!(looking.as_mut().poll(context));
            this.looking = None;
            parked.retain(&mut this.wanted);
            this.of = parked.len();
            this.waiting = parked.into_iter().map(|first| first.key).collect();
        }
        while this.at_work.len() < this.at_once
            && let Some(key) = this.waiting.pop_front()
        {
            let retrying = (this.retry)(&key);
            this.at_work.push((key, retrying));
        }
        for place in 0..this.at_work.len() {
            if let Poll::Ready(outcome) = this.at_work[place].1.as_mut().poll(context) {
                let (key, _) = this.at_work.swap_remove(place);
                return Poll::Ready(Some(this.ended(key, outcome)));
            }
        }
        if this.at_work.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl<W> RetryMany<W> {
    fn ended(&mut self, key: Arc<str>, outcome: Result<usize, ParkedError>) -> RetriedKey {
        if let Err(ParkedError::Stopped | ParkedError::NotStored { .. }) = outcome {
            // No later retry can succeed.
            self.waiting.clear();
        }
        self.done += 1;
        RetriedKey { key, outcome, done: self.done, of: self.of }
    }
}
