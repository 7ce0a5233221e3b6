//! Commands that are sent at a later time.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Aggregate, Answer, Effects, Id, Metadata, Outcome, Saga, Sends, Timestamp};
use actuarius_persistence::Codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::builder::SagaBuilder;
use super::error::SagaError;
use super::handle::Sagas;
use super::instance::{Existing, Kind};
use super::status::InstanceStatus;
use crate::aggregate::hosting::Hosting;
use crate::aggregates::Aggregates;
use crate::base::error::Failure;
use crate::follow::followers::{Retry, StartError, WaitError};
use crate::inner::Inner;
use crate::runtime::Runtime;

/// The saga behind a scheduled command: waits, sends the command, and ends with its outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Schedule;

impl Saga for Schedule {
    const TYPE: &'static str = "schedule";
    type Deadline = ();
}

impl<A: Aggregate> Sends<A> for Schedule {
    fn answered(&mut self, answer: Answer<A>) -> Effects<Self> {
        match answer.outcome {
            Outcome::Accepted { .. } => Effects::complete(),
            Outcome::Rejected(why) => Effects::fail(why.to_string()),
        }
    }
}

impl Runtime {
    /// Returns the builder of schedules, which send commands at a later time: set which aggregates they may
    /// be sent to, then start it.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Id, Runtime, Timestamp};
    /// # use actuarius::saga::InstanceStatus;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Reminder(bool);
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Rang { Rang }
    /// # impl Aggregate for Reminder {
    /// #     const TYPE: &'static str = "reminder";
    /// #     type Command = ();
    /// #     type Event = Rang;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<Rang>, Infallible> { Ok(vec![Rang::Rang]) }
    /// #     fn apply(&mut self, _: &Rang) { self.0 = true; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// # let midnight = Timestamp::default();
    /// let reminders = runtime.host::<Reminder>();
    /// let schedules = runtime.schedules().sends_to(&reminders).start().await?;
    ///
    /// let name = schedules.schedule(&Id::<Reminder>::new("dentist")?, (), midnight).await?; // durable now
    /// assert_eq!(schedules.end_of(&name).await?, InstanceStatus::Completed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedules(&self) -> SchedulesBuilder {
        SchedulesBuilder::new(self.inner.clone())
    }
}

/// Describes [`Schedules`] before they are started; see [`Runtime::schedules`](crate::Runtime::schedules).
#[must_use = "schedules do nothing before `start`"]
pub struct SchedulesBuilder(SagaBuilder<Schedule>);

impl SchedulesBuilder {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self(SagaBuilder::new(inner))
    }

    /// Lets commands be scheduled for the aggregates of a type; call it for each type.
    pub fn sends_to<A>(self, aggregates: &Aggregates<A>) -> Self
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        Self(self.0.sends_to(aggregates))
    }

    /// Sets how often a command is tried again that could not be sent. Default: [`Retry::default`].
    pub fn retry(self, retry: Retry) -> Self {
        Self(self.0.retry(retry))
    }

    /// Sets the codec of the scheduled commands. Default: MessagePack, as for [sagas](SagaBuilder::codec).
    pub fn codec(self, codec: Codec) -> Self {
        Self(self.0.codec(codec))
    }

    /// Changes how the instances of the commands are held in memory, as for [sagas](SagaBuilder::hosting).
    pub fn hosting(self, change: impl FnOnce(Hosting) -> Hosting) -> Self {
        Self(self.0.hosting(change))
    }

    /// Starts the schedules. Commands that are due by now are sent at once.
    ///
    /// # Errors
    /// [`StartError`]; nothing was sent. Fix the cause and start again.
    pub async fn start(self) -> Result<Schedules, StartError> {
        Ok(Schedules { instances: self.0.start().await? })
    }
}

/// Schedules commands: each is sent once, at its time, or at the next start if the runtime is closed then.
/// Cheap to clone.
///
/// Each command is an instance of the saga [`Schedule`], with the name of the command as its id.
#[derive(Clone)]
pub struct Schedules {
    instances: Sagas<Schedule>,
}

impl Schedules {
    /// Returns a handle through which commands are scheduled on behalf of this metadata: they carry its user and its
    /// entries, such as a tenant or a trace context. Its correlation id is not used.
    #[must_use]
    pub fn with_metadata(&self, metadata: Metadata) -> Self {
        Self { instances: self.instances.with_metadata(metadata) }
    }

    /// Schedules a command for the time `at` of the runtime's clock; a time in the past sends it at once.
    /// Durable when this returns. Returns a generated name, by which the command can be cancelled.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn schedule<A>(
        &self,
        id: &Id<A>,
        command: A::Command,
        at: Timestamp,
    ) -> Result<String, SagaError>
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        let name = Uuid::now_v7().to_string();
        self.schedule_as(&name, id, command, at).await?;
        Ok(name)
    }

    /// Schedules a command under a name of the caller's choice, so that scheduling it twice is safe. Returns
    /// `false` if a command of that name was scheduled before, even if it was sent already. After that one was
    /// cancelled, the name can be used again.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written. A retry with the same name is safe.
    pub async fn schedule_as<A>(
        &self,
        name: &str,
        id: &Id<A>,
        command: A::Command,
        at: Timestamp,
    ) -> Result<bool, SagaError>
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        self.begin(name, id, (command, at), Existing::BeginsAfterCancel).await
    }

    /// Schedules a command under a name, instead of the one that waits under this name. It need not exist, and may
    /// have been sent or cancelled before. Returns `false` if the earlier command is being sent at this moment, or an
    /// operator has to decide about it; then nothing is changed.
    ///
    /// `true` means that the earlier command is not carried out, unless it was carried out before.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written. A retry is safe.
    pub async fn replace<A>(
        &self,
        name: &str,
        id: &Id<A>,
        command: A::Command,
        at: Timestamp,
    ) -> Result<bool, SagaError>
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        self.begin(name, id, (command, at), Existing::IsReplaced).await
    }

    async fn begin<A>(
        &self,
        name: &str,
        id: &Id<A>,
        (command, at): (A::Command, Timestamp),
        existing: Existing,
    ) -> Result<bool, SagaError>
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        let id = id.clone();
        let reaction = move |_: &mut Schedule| Effects::none().send_at(at, &id, command);
        self.instances.begin_unless(name, reaction, existing).await
    }

    /// Cancels a command. `true` means that it was never carried out, and will not be. Returns `false` if the command
    /// was sent, is being sent at this moment, or was cancelled before, or if no command has the name.
    ///
    /// A command that is being sent may wait for long, if its aggregate cannot be loaded. To abandon it, call
    /// [`Sagas::cancel`] on [`instances`](Self::instances); its end says whether it was carried out.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn cancel(&self, name: &str) -> Result<bool, SagaError> {
        let cancel = Kind::Cancel { why: "it was cancelled".to_owned(), only_unsent: true };
        self.instances.give_up(Id::new(name)?, cancel).await
    }

    /// Waits until a command was answered or cancelled.
    ///
    /// # Errors
    /// [`Failure`]: the runtime or the store ended before. Wait again after a restart.
    pub async fn end_of(&self, name: &str) -> Result<InstanceStatus, Failure> {
        self.instances.end_of(name).await
    }

    /// Waits until every command that is due by the runtime's clock was answered, up to `within`.
    ///
    /// # Errors
    /// [`WaitError`]: it takes longer, for example because an aggregate cannot be loaded. Everything continues.
    pub async fn caught_up(&self, within: Duration) -> Result<(), WaitError> {
        self.instances.caught_up(within).await
    }

    /// Returns the instances behind the commands, to list, inspect and retry them.
    #[must_use]
    pub fn instances(&self) -> &Sagas<Schedule> {
        &self.instances
    }
}
