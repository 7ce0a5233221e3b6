//! The handle of a running subscription.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;

use super::error::{ParkedError, ResetError};
use super::options::Start;
use super::parked::{Parked, ParkedOfKey};
use super::requests::Request;
use super::retrying_many::{Looking, RetriedKey, Retrying, retry_many};
use crate::follow::followers::{DesiredState, FollowerShared};
use crate::follow::handle::FollowerHandle;

/// The handle of a running subscription. Cheap to clone; the subscription continues after it is dropped.
///
/// It dereferences to [`FollowerHandle`], which reports the position and the status, waits for a position, and
/// stops the subscription.
///
/// It does not keep the runtime open. But a handler that holds [`Aggregates`](crate::Aggregates)
/// does, until the subscription is stopped or the runtime is
/// [shut down](crate::Runtime::shutdown).
///
/// # In its own handler
///
/// A handler may call any method of its own subscription. But it must not await a future that waits for
/// the handlers at work, including itself, or it waits forever: [`pause`](Self::pause),
/// [`stop`](FollowerHandle::stop), [`reset`](Self::reset), [`retry_parked`](Self::retry_parked),
/// [`skip_parked`](Self::skip_parked), and [`wait_for`](FollowerHandle::wait_for) its own event.
///
/// It need not await them: a request is sent when the method is called, not when its future is first
/// polled, unless 64 other requests wait already. So `drop(mailer.pause())` pauses the subscription.
///
/// A handler may await the [deletion](crate::operations::Delete#in-a-handler) of an aggregate, also of a type that the
/// subscription follows.
#[derive(Clone)]
pub struct Subscription {
    follower: FollowerHandle,
    requests: mpsc::Sender<Request>,
    /// The last request to pause or resume, which a watcher of the desired state may miss.
    is_paused: Arc<AtomicBool>,
    workers: usize,
}

impl Deref for Subscription {
    type Target = FollowerHandle;

    fn deref(&self) -> &FollowerHandle {
        &self.follower
    }
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<FollowerShared>,
        requests: mpsc::Sender<Request>,
        is_paused: Arc<AtomicBool>,
        workers: usize,
    ) -> Self {
        Self { follower: FollowerHandle::of(shared), requests, is_paused, workers }
    }

    /// Waits until the subscription is asked to stop.
    pub(crate) async fn until_stopping(&self) {
        // `FollowerShared` holds the sender.
        let _ = self.shared().wanted().wait_for(|(wanted, _)| *wanted == DesiredState::Stop).await;
    }

    /// Finishes the events being handled and starts no more. When this returns, the subscription is paused
    /// durably, also after a restart, until it is [resumed](Self::resume). A halted subscription stays
    /// halted, and its status still says so.
    ///
    /// Returns early if the subscription was stopped or resumed, or its store has failed;
    /// [`status`](FollowerHandle::status) says which. A handler [must not await](Self) this, but may call it.
    pub fn pause(&self) -> impl Future<Output = ()> + Send + use<> {
        self.is_paused.store(true, Ordering::SeqCst);
        self.shared().want(DesiredState::Pause);
        let paused = self.ask(Request::Paused);
        async move {
            let _ = paused.await;
        }
    }

    /// Continues after a pause, or retries what the subscription has halted at.
    pub fn resume(&self) {
        self.is_paused.store(false, Ordering::SeqCst);
        self.shared().want(DesiredState::Run);
    }

    /// Moves the subscription to another place in the log: waits for the handlers at work, discards what
    /// failed or waits in memory, and continues after `start`, even if it had halted. If it is paused it
    /// stays paused. Events that were parked or skipped after the new place are discarded, because they are
    /// read again; events parked before it stay parked. The new place is durable when this returns.
    ///
    /// A handler [must not await](Self) this, but may call it.
    ///
    /// # Errors
    /// [`ResetError`] says whether anything was changed.
    pub fn reset(
        &self,
        start: Start,
    ) -> impl Future<Output = Result<(), ResetError>> + Send + use<> {
        let answer = self.ask(move |caller| Request::Reset(start, caller));
        async move { answer.await.unwrap_or(Err(ResetError::Stopped)) }
    }

    /// Returns the first parked event of each key: the one that failed and holds up the later ones. These are all: a
    /// subscription with events of more than 16,384 keys to park halts. Returns none once the subscription has
    /// stopped.
    pub async fn parked(&self) -> Vec<Parked> {
        self.ask(Request::Parked).await.unwrap_or_default()
    }

    /// Returns the events parked under `key`, in order: those that are listed, which is up to 1,024, or
    /// fewer if there are many keys, and whether there are more. [`Parked::behind`] of the last one is the number of
    /// further known ones. Returns none once the subscription has stopped.
    pub async fn parked_of(&self, key: &str) -> ParkedOfKey {
        let key = key.to_owned();
        self.ask(|caller| Request::ParkedOf(key, caller)).await.unwrap_or_default()
    }

    /// Handles the events parked under `key` now, in order, until one fails: that one stays the first of its
    /// key. Does so even while the subscription is paused or halted. Returns how many were handled, once it
    /// is durable that they are no longer parked; like all events, they may be handled again after a crash
    /// until the checkpoint has passed them. When none is left, later events of the key are handled again.
    ///
    /// The retry passes over events of an aggregate that was deleted, and events that no handler takes any more. They
    /// are no longer parked, and are not counted: 0 means that the key is free and no handler was called.
    ///
    /// This needs a worker, so a handler [must not await](Self) it, but may call it.
    ///
    /// # Errors
    /// [`ParkedError`] says what stays parked.
    pub fn retry_parked(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<usize, ParkedError>> + Send + use<> {
        self.retry(key, false)
    }

    /// Retries the parked events of all keys whose first parked event is `wanted`, each key as
    /// [`retry_parked`](Self::retry_parked) does, and yields the result of each. So they can be retried by cause:
    /// `wanted` sees the last error, the event type, the stream and the key.
    ///
    /// Nothing is retried before the stream is first polled. Each key is retried once: what fails again stays parked.
    /// Keys that are parked later are not retried. Half of the workers, and at most 16 keys, are busy at once, so
    /// that other events are handled meanwhile. The stream ends early when the subscription has stopped or its store
    /// has failed. If it is dropped, or the process ends, the keys that were not reported are parked or handled, each
    /// in order; those that had begun continue at the next start.
    ///
    /// A handler [must not await](Self) its items.
    ///
    /// ```
    /// use actuarius::subscription::Subscription;
    /// use tokio_stream::StreamExt;
    ///
    /// async fn retry_what_the_post_refused(letters: &Subscription) {
    ///     let mut retried = letters.retry_all_parked(|first| first.error.starts_with("post:"));
    ///     while let Some(it) = retried.next().await {
    ///         println!("{} of {}: {} {:?}", it.done, it.of, it.key, it.outcome);
    ///     }
    /// }
    /// ```
    pub fn retry_all_parked<W>(
        &self,
        wanted: W,
    ) -> impl Stream<Item = RetriedKey> + Send + Unpin + use<W>
    where
        W: FnMut(&Parked) -> bool + Send + Unpin + 'static,
    {
        let (looks, retries) = (self.clone(), self.clone());
        let looking: Looking = Box::pin(async move { looks.parked().await });
        let retry = move |key: &str| -> Retrying { Box::pin(retries.retry_parked(key)) };
        retry_many((looking, Box::new(retry)), self.workers, wanted)
    }

    /// Drops the first event parked under `key`, the one that failed, then handles the others as
    /// [`retry_parked`](Self::retry_parked) does. Once this returns, even with the error that the next event
    /// fails, the dropped event is never handled, unless the subscription is reset to a place before it.
    /// Returns how many were handled, without the dropped one and those that the retry passes over.
    ///
    /// A handler [must not await](Self) this, but may call it.
    ///
    /// # Errors
    /// [`ParkedError`] says what stays parked.
    pub fn skip_parked(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<usize, ParkedError>> + Send + use<> {
        self.retry(key, true)
    }

    fn retry(
        &self,
        key: &str,
        skip_first: bool,
    ) -> impl Future<Output = Result<usize, ParkedError>> + Send + use<> {
        let key = key.to_owned();
        let answer = self.ask(move |caller| Request::Retry { key, skip_first, caller });
        async move { answer.await.unwrap_or(Err(ParkedError::Stopped)) }
    }

    /// Sends the request now; the returned future waits for the answer, which is `None` if the subscription
    /// has stopped.
    fn ask<T: Send + 'static, Asks: FnOnce(oneshot::Sender<T>) -> Request>(
        &self,
        request: Asks,
    ) -> impl Future<Output = Option<T>> + Send + use<T, Asks> {
        let (caller, answer) = oneshot::channel();
        let requests = self.requests.clone();
        let sent = requests.try_send(request(caller));
        async move {
            match sent {
                Ok(()) => {}
                Err(TrySendError::Full(request)) => requests.send(request).await.ok()?,
                Err(TrySendError::Closed(_)) => return None,
            }
            answer.await.ok()
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Subscription")
            .field("name", &self.name())
            .field("position", &self.position())
            .field("status", &self.status())
            .finish()
    }
}
