use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Effects, Id, InvalidId, Position, Saga, Version};
use actuarius_persistence::PageLimit;

use super::SagaError;
use super::history::{SagaStep, steps};
use super::host::{Host, TraceIds};
use super::instance::{Instance, Kind};
use super::instance_index::{InstanceIndex, SagaCounts};
use super::status::{InstanceStatus, SagaInstance};
use crate::base::deadline::Deadline;
use crate::base::error::{ExecuteError, Failure, Unavailable};
use crate::base::keep_alive::KeepAlive;
use crate::follow::followers::{DesiredState, FollowerHealth, FollowerStatus, WaitError};
use crate::subscription::Subscription;

/// How many instances one listing has at most.
const LISTED_MAX: usize = 10_000;

/// A running saga: its instances, by id. Cheap to clone.
///
/// It goes on when the handle is dropped, as long as the runtime is open.
pub struct Sagas<S: Saga> {
    host: Arc<Host<S>>,
    _alive: KeepAlive,
}

impl<S: Saga> Clone for Sagas<S> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), _alive: self._alive.clone() }
    }
}

impl<S: Saga> Sagas<S> {
    pub(super) fn new(host: Arc<Host<S>>, inner: KeepAlive) -> Self {
        Self { host, _alive: inner }
    }

    /// Begins an instance, without an event: `reaction` fills its state, and says what is to be done.
    /// Durable when this returns. False if there was an instance of that name; then nothing happens, so
    /// to begin it once more is safe.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn begin(
        &self,
        id: impl Into<String>,
        reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static,
    ) -> Result<bool, SagaError> {
        let id = checked(id)?;
        let place = self.host.place().await.ok_or_else(Failure::shutting_down)?;
        let kind = Kind::Begin(Box::new(reaction));
        match self.host.step(&id, kind, TraceIds::of(&id).for_no_cause()).await {
            Ok(Some(outcome)) => {
                self.host.dispatch_step(&id, outcome, &place);
                Ok(true)
            }
            Ok(None) => Ok(false),
            // It was believed that there is none, and the store knows better; or it was something else.
            Err(error @ ExecuteError::Failed(Failure::Unavailable(Unavailable::Undone))) => {
                let exists = self.status(id.as_str()).await?.is_some();
                if exists { Ok(false) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Begins an instance, as [`begin`](Self::begin) does, and waits until it has ended.
    ///
    /// # Errors
    /// [`SagaError`] says whether it has begun. Once it has, it goes on also when nobody waits.
    pub async fn run(
        &self,
        id: impl Into<String>,
        reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static,
    ) -> Result<InstanceStatus, SagaError> {
        let id = checked(id)?;
        // Before it begins, so that its end is not missed.
        let ending = self.host.ending(&id);
        if !self.begin(id.as_str(), reaction).await? {
            return Ok(self.host.end_of(&id).await?);
        }
        Ok(self.host.heard(ending).await?)
    }

    /// Where an instance is in its life; none if there is no such instance.
    ///
    /// # Errors
    /// A [`Failure`]; nothing was to be written.
    pub async fn status(&self, id: impl Into<String>) -> Result<Option<InstanceStatus>, Failure> {
        let exists = |instance: &Instance<S>| instance.instance_state.steps > 0;
        let look = move |instance: &Instance<S>| exists(instance).then(|| instance.status());
        self.host.look(&checked(id)?, look).await
    }

    /// Looks at the state of an instance; none if there is no such instance.
    ///
    /// # Errors
    /// A [`Failure`]; nothing was to be written.
    pub async fn query<R: Send + 'static>(
        &self,
        id: impl Into<String>,
        look: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Result<Option<R>, Failure> {
        let look = |instance: &Instance<S>| {
            (instance.instance_state.steps > 0).then(|| look(&instance.saga))
        };
        self.host.look(&checked(id)?, look).await
    }

    /// Waits until an instance has ended, and says how. It need not have begun.
    ///
    /// # Errors
    /// A [`Failure`], when the runtime ends before.
    pub async fn end_of(&self, id: impl Into<String>) -> Result<InstanceStatus, Failure> {
        self.host.end_of(&checked(id)?).await
    }

    /// Waits until no instance lives. Events that are stored meanwhile may begin new ones.
    ///
    /// # Errors
    /// [`WaitError`]: some live still, or the view of all instances does not get on.
    pub async fn settled(&self, within: Duration) -> Result<(), WaitError> {
        let (index, until) = (&self.host.index, Deadline::within(within));
        self.wait_for(self.host.engine.tail.head(), until.rest()).await?;
        loop {
            let shown = self.host.engine.tail.head();
            index.shared.wait_for(shown, until.rest()).await?;
            if index.read(|index| index.counts().live) == 0 {
                return Ok(());
            }
            // A step of theirs, or of anybody else.
            index.shared.wait_for(shown.next(), until.rest()).await?;
        }
    }

    /// The living instances behind `after` in the order of their ids, of which this is true: a page of
    /// at most `limit`, and never more than 10,000. Shown is what was durable a moment ago.
    #[must_use]
    pub fn list(
        &self,
        after: &str,
        limit: usize,
        wanted: impl Fn(&SagaInstance) -> bool,
    ) -> Vec<SagaInstance> {
        let limit = limit.min(LISTED_MAX);
        self.host.index.read(|index| index.live_behind(after).filter(wanted).take(limit).collect())
    }

    /// The instances that have ended lately, the last one first: 1,000 at most.
    #[must_use]
    pub fn ended(&self) -> Vec<SagaInstance> {
        self.host.index.read(|index| index.ended().cloned().collect())
    }

    /// How many instances are where.
    #[must_use]
    pub fn counts(&self) -> SagaCounts {
        self.host.index.read(InstanceIndex::counts)
    }

    /// What an instance has heard and done, behind the step `after`: a page, the oldest step first. An
    /// empty page is the end.
    ///
    /// # Errors
    /// A [`Failure`]; nothing was to be written.
    pub async fn history(
        &self,
        id: impl Into<String>,
        after: u64,
    ) -> Result<Vec<SagaStep<S>>, Failure> {
        let id = checked::<S>(id)?;
        let reader = self.host.engine.store.reader()?;
        let read = move || {
            let after = Version::new(after);
            let stream = id.stream();
            let limit = PageLimit::default();
            let page = reader.read_stream(&stream, after, Position::NONE, limit)?;
            Ok(steps(&id, &page, after)?)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Failure::shutting_down())?
    }

    /// Has an instance that is quarantined or stuck try again what it stands before, and go on. One that
    /// the runtime has put out of service, because its steps could not be read, is put back.
    ///
    /// # Errors
    /// [`SagaError`]. What it stood before is in its way again soon if nothing was mended.
    pub async fn retry(&self, id: impl Into<String>) -> Result<(), SagaError> {
        self.release(checked(id)?, Kind::Retry).await
    }

    /// Has an instance that is quarantined or stuck pass over what it stands before, and go on: an event
    /// is not heard, an answer noted without a reaction, a deadline does not come, an undo is not done.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn skip(&self, id: impl Into<String>) -> Result<(), SagaError> {
        self.release(checked(id)?, Kind::Skip).await
    }

    /// Asks an instance to give up: it does what its saga says in
    /// [`cancelled`](actuarius_domain::Saga::cancelled), which undoes what was done unless it says
    /// otherwise. False if it goes on all the same, was giving up already, or had ended.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn cancel(
        &self,
        id: impl Into<String>,
        why: impl Into<String>,
    ) -> Result<bool, SagaError> {
        let id = checked(id)?;
        let place = self.host.place().await.ok_or_else(Failure::shutting_down)?;
        let step =
            self.host.step(&id, Kind::Cancel(why.into()), TraceIds::of(&id).for_no_cause()).await?;
        let Some(outcome) = step else { return Ok(false) };
        self.host.dispatch_step(&id, outcome, &place);
        self.host.take_up(&id, &place).await;
        self.host.hand_over(&id).await;
        Ok(true)
    }

    /// How the saga, its events and its board are doing.
    #[must_use]
    pub fn health(&self) -> Vec<FollowerHealth> {
        let own = [self.host.shared.health(), self.host.index.shared.health()];
        own.into_iter().chain(self.events().map(Subscription::health)).collect()
    }

    /// Waits until every event up to `position` is heard, durably, or parked.
    ///
    /// # Errors
    /// [`WaitError`]; the events are durable all the same.
    pub async fn wait_for(&self, position: Position, within: Duration) -> Result<(), WaitError> {
        match self.events() {
            Some(events) => events.wait_for(position, within).await,
            None => Ok(()),
        }
    }

    /// The subscription that brings the events: it can be paused, and shows what is parked. None if the
    /// saga reacts to no events.
    #[must_use]
    pub fn events(&self) -> Option<&Subscription> {
        self.host.events.get()
    }

    /// Stops the saga. What is under way is taken up at the next start.
    pub async fn stop(&self) {
        if let Some(events) = self.events() {
            events.stop().await;
        }
        for shared in [&self.host.shared, &self.host.index.shared] {
            shared.want(DesiredState::Stop);
            shared.until(|status| *status == FollowerStatus::Stopped).await;
        }
    }

    async fn release(&self, id: Id<Instance<S>>, kind: Kind<S>) -> Result<(), SagaError> {
        let is_back = self.host.instances.release(&id);
        let trouble =
            self.host.look(&id, |instance| instance.instance_state.trouble.clone()).await?;
        if trouble.is_none() && !is_back {
            return Err(SagaError::NotInTrouble(id.to_string()));
        }
        let place = self.host.place().await.ok_or_else(Failure::shutting_down)?;
        let step = self.host.step(&id, kind, TraceIds::of(&id).for_no_cause()).await;
        if let Some(outcome) = step? {
            self.host.dispatch_step(&id, outcome, &place);
        }
        self.host.take_up(&id, &place).await;
        // An event that is passed over is ignored when it is handed over.
        self.host.hand_over(&id).await;
        Ok(())
    }
}

fn checked<S: Saga>(id: impl Into<String>) -> Result<Id<Instance<S>>, InvalidId> {
    Id::new(id.into())
}
