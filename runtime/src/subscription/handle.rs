use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;
use tokio::sync::{mpsc, oneshot};

use super::requests::Request;
use super::{Parked, ParkedError, ResetError, Start};
use crate::followers::{FollowerStatus, Standing, WaitError, Wanted};

/// A running subscription. Cheap to clone; it goes on when the handle is dropped.
///
/// It does not keep the runtime open. But a handler that holds [`Aggregates`](crate::Aggregates)
/// does, until the subscription is stopped or the runtime is
/// [shut down](crate::Runtime::shutdown).
#[derive(Clone)]
pub struct Subscription {
    standing: Arc<Standing>,
    requests: mpsc::Sender<Request>,
}

impl Subscription {
    pub(super) fn new(standing: Arc<Standing>, requests: mpsc::Sender<Request>) -> Self {
        Self { standing, requests }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.standing.name
    }

    /// The position up to which every event is handled, parked, or no concern of its handlers.
    #[must_use]
    pub fn position(&self) -> Position {
        self.standing.progress.position()
    }

    /// How many events it is behind the end of the log.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.standing.lag()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        self.standing.status()
    }

    /// Has it finish what is being handled and start nothing more. When this returns it is paused,
    /// and will be after a restart, too, until it is asked to [`resume`](Self::resume).
    ///
    /// It returns without that when the subscription was stopped or resumed meanwhile, or when its
    /// store has failed; [`status`](Self::status) says which.
    pub async fn pause(&self) {
        self.standing.want(Wanted::Pause);
        self.ask(Request::Paused).await;
    }

    /// Has it go on after a pause, or try again what it has halted at.
    pub fn resume(&self) {
        self.standing.want(Wanted::Run);
    }

    /// Has it finish what is being handled, then end. When this returns, how far it has come is
    /// durable, unless its store has failed; started again under its name it goes on there.
    pub async fn stop(&self) {
        self.standing.want(Wanted::Stop);
        self.standing.until(|status| *status == FollowerStatus::Stopped).await;
    }

    /// Waits until everything up to `position`, such as that of a
    /// [`Receipt`](crate::Receipt), is handled, parked, or no concern of its handlers.
    ///
    /// # Errors
    /// [`WaitError`]; the events are durable all the same.
    pub async fn wait_for(&self, position: Position, within: Duration) -> Result<(), WaitError> {
        self.standing.wait_for(position, within).await
    }

    /// Moves it to another place in the log: waits for the handlers at work, forgets what failed or
    /// waits in memory, and goes on behind `start`, even if it had halted. If it is paused it stays
    /// so. Parked events behind the new place are forgotten, because they come again; those before
    /// it stay parked. When this returns, the new place is durable.
    ///
    /// # Errors
    /// [`ResetError`] says whether anything was changed.
    pub async fn reset(&self, start: Start) -> Result<(), ResetError> {
        let answer = self.ask(|caller| Request::Reset(start, caller)).await;
        answer.unwrap_or(Err(ResetError::Stopped))
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
    /// many were handled, when it is durable that they are parked no more. When none is left, later
    /// events of the key are handled as they come.
    ///
    /// # Errors
    /// [`ParkedError`] says what stays parked.
    pub async fn retry_parked(&self, key: &str) -> Result<usize, ParkedError> {
        self.retry(key, false).await
    }

    /// Drops the first event parked under `key`, the one that failed, then handles the others as
    /// [`retry_parked`](Self::retry_parked) does. The dropped event is never handled, unless the
    /// subscription is reset to a place before it. Returns how many were handled.
    ///
    /// # Errors
    /// [`ParkedError`] says what stays parked.
    pub async fn skip_parked(&self, key: &str) -> Result<usize, ParkedError> {
        self.retry(key, true).await
    }

    async fn retry(&self, key: &str, skip_first: bool) -> Result<usize, ParkedError> {
        let key = key.to_owned();
        let answer = self.ask(|caller| Request::Retry { key, skip_first, caller }).await;
        answer.unwrap_or(Err(ParkedError::Stopped))
    }

    /// None when the subscription has stopped.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (caller, answer) = oneshot::channel();
        self.requests.send(request(caller)).await.ok()?;
        answer.await.ok()
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
