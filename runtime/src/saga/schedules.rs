use std::sync::Arc;

use actuarius_domain::{Aggregate, Answer, Effects, Id, Outcome, Saga, Sends, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Conduct, InstanceStatus, SagaError, Sagas};
use crate::aggregates::Aggregates;
use crate::base::error::Failure;
use crate::follow::followers::StartError;
use crate::inner::Inner;

/// A command for later: a saga that waits, sends it, and ends with the answer.
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

/// Commands for later that are being described; see [`Runtime::schedules`](crate::Runtime::schedules).
#[must_use = "it does nothing before `start`"]
pub struct PlanSchedules(Conduct<Schedule>);

impl PlanSchedules {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self(Conduct::new(inner))
    }

    /// Lets commands be scheduled for the aggregates of a type; call it for each type.
    pub fn sends_to<A>(self, aggregates: &Aggregates<A>) -> Self
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        Self(self.0.sends_to(aggregates))
    }

    /// Starts it. What came due meanwhile is sent now.
    ///
    /// # Errors
    /// [`StartError`]; nothing was sent.
    pub async fn start(self) -> Result<Schedules, StartError> {
        Ok(Schedules { instances: self.0.start().await? })
    }
}

/// Commands for later: each is sent once, at its time or as soon as the runtime is there again. Cheap to
/// clone.
///
/// Behind it is a saga with an instance for each command, called by its id.
#[derive(Clone)]
pub struct Schedules {
    instances: Sagas<Schedule>,
}

impl Schedules {
    /// Has a command sent at a moment, by the runtime's clock; at once, if it is over. Durable when this
    /// returns. The answer is the name it can be cancelled by.
    ///
    /// # Errors
    /// [`SagaError`]; nothing is scheduled unless it says otherwise.
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

    /// The same under a name of one's own, so that to do it twice is safe: false if there was one of that
    /// name, also one that has been sent.
    ///
    /// # Errors
    /// [`SagaError`]; nothing is scheduled unless it says otherwise.
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
        let id = id.clone();
        self.instances.begin(name, move |_| Effects::none().send_at(at, &id, command)).await
    }

    /// Takes a command back. False if it was sent, or there is none of that name: then it is, or will
    /// be, carried out, or never was.
    ///
    /// # Errors
    /// [`SagaError`] says whether anything was written.
    pub async fn cancel(&self, name: &str) -> Result<bool, SagaError> {
        self.instances.cancel(name, "it was cancelled").await
    }

    /// Waits until a command was answered, or cancelled.
    ///
    /// # Errors
    /// A [`Failure`], when the runtime ends before.
    pub async fn end_of(&self, name: &str) -> Result<InstanceStatus, Failure> {
        self.instances.end_of(name).await
    }

    /// The instances behind the commands, to be listed, looked at and retried.
    #[must_use]
    pub fn instances(&self) -> &Sagas<Schedule> {
        &self.instances
    }
}
