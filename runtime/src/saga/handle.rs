//! The handle of a running saga.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Effects, Id, InvalidId, Metadata, Position, Saga, Version};
use actuarius_persistence::{PageLimit, Reader};

use super::beginning::Beginning;
use super::error::SagaError;
use super::history::{SagaStep, steps};
use super::host::{Host, StepError, StepOutcome, TraceIds};
use super::instance::{Existing, Instance, Kind};
use super::instance_index::SagaCounts;
use super::origin::{Origin, carrying};
use super::page::InstancePage;
use super::status::{InstanceStatus, SagaInstance};
use super::stepped::before_whole;
use crate::base::error::{ExecuteError, Failure, Unavailable};
use crate::base::keep_alive::KeepAlive;
use crate::follow::followers::{DesiredState, FollowerHealth, FollowerStatus, WaitError};
use crate::schema::decoding::Decoder;
use crate::subscription::Subscription;

/// How many instances one listing returns at most.
const LISTED_MAX: usize = 10_000;

/// The handle of a running saga: begins, reads and controls its instances, by id. Cheap to clone.
///
/// The saga continues after the handle is dropped, for as long as the runtime is open.
pub struct Sagas<S: Saga> {
    pub(super) host: Arc<Host<S>>,
    /// Of what is begun or cancelled through this handle.
    metadata: Option<Arc<Metadata>>,
    _alive: KeepAlive,
}

impl<S: Saga> Clone for Sagas<S> {
    fn clone(&self) -> Self {
        let (host, metadata) = (self.host.clone(), self.metadata.clone());
        Self { host, metadata, _alive: self._alive.clone() }
    }
}

impl<S: Saga> Sagas<S> {
    pub(super) fn new(host: Arc<Host<S>>, inner: KeepAlive) -> Self {
        Self { host, metadata: None, _alive: inner }
    }

    /// Returns a handle through which instances are begun and cancelled on behalf of this metadata: its user, its
    /// cause and its entries, such as a tenant or a trace context. What an instance sends because of that carries the
    /// user and the entries. Its correlation id is not used, because everything of an instance has that of the
    /// instance.
    ///
    /// ```
    /// # use actuarius::saga::{Effects, Saga};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    /// # struct Transfer;
    /// # impl Saga for Transfer {
    /// #     const TYPE: &'static str = "transfer";
    /// #     type Deadline = ();
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actuarius::{Metadata, Runtime};
    ///
    /// let runtime = Runtime::in_memory().await?;
    /// let transfers = runtime.saga::<Transfer>().start().await?;
    /// let metadata = Metadata::default().on_behalf_of("alice").with("tenant", "acme");
    /// transfers.with_metadata(metadata).begin("t-1", |_| Effects::complete()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_metadata(&self, metadata: Metadata) -> Self {
        Self { metadata: Some(Arc::new(metadata)), ..self.clone() }
    }

    /// Returns the metadata of a call.
    fn cause(&self, id: &Id<Instance<S>>) -> Metadata {
        let trace = TraceIds::of(id).for_no_cause();
        let Some(of_caller) = &self.metadata else { return trace };
        let causation = of_caller.causation;
        carrying(Metadata { causation, ..trace }, Origin::of(of_caller).as_ref())
    }

    /// Begins an instance without an event: `reaction` fills its state and returns the first effects.
    /// Durable when this returns. Returns `false` if the instance existed before; then nothing is written,
    /// so it is safe to begin an instance twice.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written. A retry with the same id is safe.
    pub async fn begin(
        &self,
        id: impl Into<String>,
        reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static,
    ) -> Result<bool, SagaError> {
        self.begin_unless(id, reaction, Existing::Stays).await
    }

    /// Begins an instance without an event, as [`begin`](Self::begin) does.
    pub(super) async fn begin_unless(
        &self,
        id: impl Into<String>,
        reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static,
        existing: Existing,
    ) -> Result<bool, SagaError> {
        let id = checked(id)?;
        let permit = self.host.permit().await.ok_or_else(|| self.host.over())?;
        let beginning = Beginning::of(Box::new(reaction));
        let begin = |assumes_new| self.begin_once(&id, &beginning, assumes_new, existing);
        let outcome = match begin(true).await {
            // The store holds the instance already, or the step was refused.
            Err(ExecuteError::Failed(Failure::Unavailable(Unavailable::Undone))) => {
                begin(false).await?
            }
            begun => begun?,
        };
        let Some(outcome) = outcome else { return Ok(false) };
        self.host.dispatch_step(&id, outcome, &permit);
        Ok(true)
    }

    async fn begin_once(
        &self,
        id: &Id<Instance<S>>,
        beginning: &Beginning<S>,
        assumes_new: bool,
        existing: Existing,
    ) -> Result<Option<StepOutcome>, StepError> {
        let kind = Kind::Begin { beginning: beginning.clone(), assumes_new, existing };
        self.host.step(id, kind, self.cause(id)).await
    }

    /// Begins an instance, as [`begin`](Self::begin) does, and waits until it has ended.
    ///
    /// # Errors
    /// [`SagaError`] says whether the instance has begun. If so, it continues without a waiter.
    pub async fn run(
        &self,
        id: impl Into<String>,
        reaction: impl FnOnce(&mut S) -> Effects<S> + Send + 'static,
    ) -> Result<InstanceStatus, SagaError> {
        let id = checked(id)?;
        // Registers before the instance begins, so that its end is not missed.
        let ending = self.host.ending(&id);
        if !self.begin(id.as_str(), reaction).await? {
            return Ok(self.host.end_of(&id).await?);
        }
        Ok(self.host.wait_for_end(ending).await?)
    }

    /// Returns the status of an instance, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure`]: the instance could not be loaded. Nothing was to be written; retry.
    pub async fn status(&self, id: impl Into<String>) -> Result<Option<InstanceStatus>, Failure> {
        let exists = |instance: &Instance<S>| instance.state.steps > 0;
        let read = move |instance: &Instance<S>| exists(instance).then(|| instance.status());
        self.host.read(&checked(id)?, read).await
    }

    /// Reads the state of an instance. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure`]: the instance could not be loaded. Nothing was to be written; retry.
    pub async fn query<R: Send + 'static>(
        &self,
        id: impl Into<String>,
        read: impl FnOnce(&S) -> R + Send + 'static,
    ) -> Result<Option<R>, Failure> {
        let read =
            |instance: &Instance<S>| (instance.state.steps > 0).then(|| read(&instance.saga));
        self.host.read(&checked(id)?, read).await
    }

    /// Waits until an instance has ended, and returns its status. It need not have begun.
    ///
    /// # Errors
    /// [`Failure`]: the runtime or the store ended before. Wait again after a restart.
    pub async fn end_of(&self, id: impl Into<String>) -> Result<InstanceStatus, Failure> {
        self.host.end_of(&checked(id)?).await
    }

    /// Returns a page of the live instances after the id `after` for which `wanted` is true, in the order of
    /// their ids: at most `limit`, at least 1 and at most 10,000. [`InstancePage::next`] is the `after` of the next
    /// page. The list may lag a moment after the latest steps.
    #[must_use]
    pub fn list(
        &self,
        after: &str,
        limit: usize,
        wanted: impl Fn(&SagaInstance) -> bool,
    ) -> InstancePage {
        let limit = limit.clamp(1, LISTED_MAX);
        self.host.index.read(|index| {
            let live = index.live_after(after).map(|shown| self.host.unreadable.show(shown));
            InstancePage::of(live.filter(wanted), limit)
        })
    }

    /// Returns the instances that ended last, the latest first: 1,000 at most. [`counts`](Self::counts) says how many
    /// have ended in all; [`status`](Self::status) and [`history`](Self::history) find each by its id.
    #[must_use]
    pub fn ended(&self) -> Vec<SagaInstance> {
        self.host.index.read(|index| index.ended().cloned().collect())
    }

    /// Returns how many instances have each status.
    #[must_use]
    pub fn counts(&self) -> SagaCounts {
        self.host.counts()
    }

    /// Returns a page of the steps of an instance after the step number `after`, the oldest first. An
    /// empty page is the end.
    ///
    /// # Errors
    /// [`Failure`]: the steps could not be read or decoded. Nothing was to be written.
    pub async fn history(
        &self,
        id: impl Into<String>,
        after: u64,
    ) -> Result<Vec<SagaStep<S>>, Failure> {
        let id = checked::<S>(id)?;
        let engine = &self.host.engine;
        let decoder = Decoder::of(&engine.shapes);
        let read = move |reader: &dyn Reader| {
            let (stream, after, mut state) = (id.stream(), Version::new(after), None);
            let mut read_after = before_whole(after);
            loop {
                let limit = PageLimit::default();
                let page = reader.read_stream(&stream, read_after, Position::NONE, limit)?;
                let found = match steps(decoder, &id, &page, after, &mut state) {
                    // A migration may have left out the step with the state that should be near.
                    Err(_) if read_after > Version::NONE && state.is_none() => {
                        read_after = Version::NONE;
                        continue;
                    }
                    found => found?,
                };
                let last = page.commits.last().filter(|_| page.more && found.is_empty());
                let Some(last) = last else { return Ok(found) };
                read_after = last.view().last_version();
            }
        };
        engine.read(read).await
    }

    /// Lets an instance that is quarantined or stuck try again what it is blocked on, and continue. Also
    /// releases an instance that the runtime has quarantined because its steps could not be read.
    ///
    /// An event whose aggregate was deleted since is passed over. If it is the first event of the instance, the instance
    /// stays quarantined until another event begins it, or until it is skipped.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written. If the cause was not fixed, the instance is blocked
    /// again after this returned.
    pub async fn retry(&self, id: impl Into<String>) -> Result<(), SagaError> {
        self.release(checked(id)?, Kind::Retry).await
    }

    /// Lets an instance that is quarantined or stuck skip what it is blocked on, and continue: the saga does
    /// not react to the event, outcome or deadline, and the undo is not done.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn skip(&self, id: impl Into<String>) -> Result<(), SagaError> {
        self.release(checked(id)?, Kind::Skip).await
    }

    /// Asks an instance to give up. Its saga decides in [`Saga::cancelled`] what to do, by default to undo the
    /// accepted commands. Returns whether it gives up: `false` if the saga continues, is giving up already, or has
    /// ended. What `cancelled` asks for is done in any case.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn cancel(
        &self,
        id: impl Into<String>,
        why: impl Into<String>,
    ) -> Result<bool, SagaError> {
        self.give_up(checked(id)?, Kind::Cancel { why: why.into(), only_unsent: false }).await
    }

    /// Takes the step of a cancel. Returns whether the instance gives up.
    pub(super) async fn give_up(
        &self,
        id: Id<Instance<S>>,
        cancel: Kind<S>,
    ) -> Result<bool, SagaError> {
        let permit = self.host.permit().await.ok_or_else(|| self.host.over())?;
        let step = self.host.step(&id, cancel, self.cause(&id)).await?;
        let Some(outcome) = step else { return Ok(false) };
        let gives_up = outcome.gives_up;
        self.host.dispatch_step(&id, outcome, &permit);
        if gives_up {
            self.host.resume_open(&id, &permit).await;
            self.host.retry_parked(&id).await;
        }
        Ok(gives_up)
    }

    /// Returns the health of the saga, of its index and of its subscription.
    #[must_use]
    pub fn health(&self) -> Vec<FollowerHealth> {
        let own = [self.host.shared.health(), self.host.index.shared.health()];
        own.into_iter().chain(self.events().map(|events| events.health())).collect()
    }

    /// Waits until every event up to `position` is handled durably or parked, at most 5 seconds.
    ///
    /// # Errors
    /// [`WaitError`]; the events are durable all the same, and are handled later.
    pub async fn wait_for(&self, position: Position) -> Result<(), WaitError> {
        match self.events() {
            Some(events) => events.wait_for(position).await,
            None => Ok(()),
        }
    }

    /// Waits like [`wait_for`](Self::wait_for), at most for `time`.
    ///
    /// # Errors
    /// [`WaitError`], as there.
    pub async fn wait_for_within(
        &self,
        position: Position,
        time: Duration,
    ) -> Result<(), WaitError> {
        match self.events() {
            Some(events) => events.wait_for_within(position, time).await,
            None => Ok(()),
        }
    }

    /// Returns the subscription that delivers the events: it can be paused, and lists parked events. Returns
    /// `None` if the saga reacts to no events.
    #[must_use]
    pub fn events(&self) -> Option<&Subscription> {
        self.host.events.get()
    }

    /// Stops the saga. Open commands are resumed at the next start.
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
        let trouble = self.host.read(&id, |instance| instance.state.trouble.clone()).await?;
        if trouble.is_none() && !is_back {
            return Err(SagaError::NotInTrouble(id.to_string()));
        }
        let permit = self.host.permit().await.ok_or_else(|| self.host.over())?;
        let step = self.host.step(&id, kind, TraceIds::of(&id).for_no_cause()).await;
        if let Some(outcome) = step? {
            self.host.dispatch_step(&id, outcome, &permit);
        }
        self.host.resume_open(&id, &permit).await;
        // A skipped event is ignored when it is retried.
        self.host.retry_parked(&id).await;
        Ok(())
    }
}

fn checked<S: Saga>(id: impl Into<String>) -> Result<Id<Instance<S>>, InvalidId> {
    Id::new(id.into())
}
