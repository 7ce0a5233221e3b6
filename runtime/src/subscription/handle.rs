use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius_domain::Position;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::error::{ParkedError, ResetError};
use super::options::Start;
use super::parked::Parked;
use super::requests::Request;
use crate::follow::followers::{
    DesiredState, FollowerHealth, FollowerShared, FollowerStatus, WaitError,
};

/// A running subscription. Cheap to clone; it goes on when the handle is dropped.
///
/// It does not keep the runtime open. But a handler that holds [`Aggregates`](crate::Aggregates)
/// does, until the subscription is stopped or the runtime is
/// [shut down](crate::Runtime::shutdown).
///
/// # In its own handler
///
/// A handler may ask its own subscription for anything. But it must not wait for what waits for the
/// handlers at work, itself among them, or it waits for ever: [`pause`](Self::pause),
/// [`stop`](Self::stop), [`reset`](Self::reset), [`retry_parked`](Self::retry_parked),
/// [`skip_parked`](Self::skip_parked), and [`wait_for`](Self::wait_for) its own event.
///
/// It need not wait: a request is sent when the method is called, and not when its future is polled
/// first, unless 64 others wait already. So `drop(mailer.pause())` is a pause.
#[derive(Clone)]
pub struct Subscription {
    shared: Arc<FollowerShared>,
    requests: mpsc::Sender<Request>,
    /// What was asked for last; how often it changes may escape who listens.
    is_paused: Arc<AtomicBool>,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<FollowerShared>,
        requests: mpsc::Sender<Request>,
        is_paused: Arc<AtomicBool>,
    ) -> Self {
        Self { shared, requests, is_paused }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The position up to which every event is handled, parked, or no concern of its handlers.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.progress.position()
    }

    /// How many events it is behind the end of the log.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.shared.lag()
    }

    /// Waits until it is asked to stop.
    pub(crate) async fn until_stopping(&self) {
        // The sender is held by the standing.
        let _ = self.shared.wanted().wait_for(|(wanted, _)| *wanted == DesiredState::Stop).await;
    }

    pub(crate) fn health(&self) -> FollowerHealth {
        self.shared.health()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        self.shared.status()
    }

    /// Has it finish what is being handled and start nothing more. When this returns it is paused,
    /// and will be after a restart, too, until it is asked to [`resume`](Self::resume). One that has
    /// halted stays halted as well, and its status goes on to say so.
    ///
    /// It returns without that when the subscription was stopped or resumed meanwhile, or when its
    /// store has failed; [`status`](Self::status) says which. A handler [must not wait](Self) for it,
    /// but may ask for it.
    pub fn pause(&self) -> impl Future<Output = ()> + Send + use<> {
        self.is_paused.store(true, Ordering::SeqCst);
        self.shared.want(DesiredState::Pause);
        let paused = self.ask(Request::Paused);
        async move {
            let _ = paused.await;
        }
    }

    /// Has it go on after a pause, or try again what it has halted at.
    pub fn resume(&self) {
        self.is_paused.store(false, Ordering::SeqCst);
        self.shared.want(DesiredState::Run);
    }

    /// Has it finish what is being handled, then end. When this returns, how far it has come is
    /// durable, unless its store has failed; started again under its name it goes on there.
    ///
    /// A handler [must not wait](Self) for it, but may ask for it.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared.want(DesiredState::Stop);
        let shared = self.shared.clone();
        async move { drop(shared.until(|status| *status == FollowerStatus::Stopped).await) }
    }

    /// Waits until everything up to `position`, such as that of a
    /// [`Receipt`](crate::Receipt), is handled, parked, or no concern of its handlers.
    ///
    /// # Errors
    /// [`WaitError`]; the events are durable all the same.
    pub async fn wait_for(&self, position: Position, within: Duration) -> Result<(), WaitError> {
        self.shared.wait_for(position, within).await
    }

    /// Moves it to another place in the log: waits for the handlers at work, forgets what failed or
    /// waits in memory, and goes on behind `start`, even if it had halted. If it is paused it stays
    /// so. What was parked or skipped behind the new place is forgotten, because it comes again; what
    /// is parked before it stays parked. When this returns, the new place is durable.
    ///
    /// A handler [must not wait](Self) for it, but may ask for it.
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

    /// The first parked event of each key: the one that failed and holds up those behind it. There
    /// are 16,384 at most. None once the subscription has stopped.
    pub async fn parked(&self) -> Vec<Parked> {
        self.ask(Request::Parked).await.unwrap_or_default()
    }

    /// The events parked under `key`, in order: as many as are listed, which is 1,024 unless there
    /// are many keys. [`Parked::behind`] of the last one says how many more are known of. None once
    /// the subscription has stopped.
    pub async fn parked_of(&self, key: &str) -> Vec<Parked> {
        let key = key.to_owned();
        self.ask(|caller| Request::ParkedOf(key, caller)).await.unwrap_or_default()
    }

    /// Handles the events parked under `key` now, in order, until one fails: that one stays the
    /// first of its key. It does so even while the subscription is paused or halted. Returns how
    /// many were handled, when no note says any more that they are parked; like all events, they may
    /// come again after a crash until the checkpoint has passed them. When none is left, later events
    /// of the key are handled as they come.
    ///
    /// It needs a worker, so a handler [must not wait](Self) for it, but may ask for it.
    ///
    /// # Errors
    /// [`ParkedError`] says what stays parked.
    pub fn retry_parked(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<usize, ParkedError>> + Send + use<> {
        self.retry(key, false)
    }

    /// Drops the first event parked under `key`, the one that failed, then handles the others as
    /// [`retry_parked`](Self::retry_parked) does. From the answer on, which may be that the next one
    /// fails, the dropped event is never handled, unless the subscription is reset to a place before
    /// it. Returns how many were handled.
    ///
    /// A handler [must not wait](Self) for it, but may ask for it.
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

    /// Sends the request now; what is returned waits for the answer. None when the subscription has
    /// stopped.
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
