//! The aggregate types that a saga sends commands to, and how their commands are encoded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{
    Aggregate, Answer, CommandId, Effects, Id, Metadata, Outcome, Position, Saga, Sending, Sends,
};
use actuarius_persistence::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stage::Stages;
use super::stored::{CommandOutcome, Outgoing, Payload};
use crate::base::error::Failure;

/// The codec of instances, unless the builder sets another one. Instances live longer than releases, so the next
/// release must be able to read what is stored.
pub(super) const DEFAULT_CODEC: Codec = Codec::MessagePack;

/// The aggregate types that a saga sends commands to, by name.
pub(super) struct Targets<S: Saga> {
    targets: Vec<Target<S>>,
    /// The codec of commands and deadlines.
    pub(super) codec: Codec,
    pub(super) stages: Stages,
}

/// An aggregate type that a saga sends commands to.
struct Target<S: Saga> {
    aggregate: &'static str,
    encode: fn(Codec, Sending) -> Result<Arc<Outgoing>, String>,
    /// `None` in a test, where commands are not sent.
    delivery: Option<Box<dyn Delivery<S>>>,
}

/// The saga's own code that handles an input.
pub(super) type Reaction<S> = Box<dyn FnOnce(&mut S) -> Effects<S> + Send>;

/// The outcome of a command, and the saga's reaction to it.
pub(super) struct Dispatched<S: Saga> {
    pub(super) outcome: CommandOutcome,
    pub(super) reaction: Reaction<S>,
}

impl<S: Saga> Dispatched<S> {
    /// The command was never carried out, and will not be.
    pub(super) fn abandoned() -> Self {
        Self { outcome: CommandOutcome::Abandoned, reaction: Box::new(|_| Effects::none()) }
    }

    /// The aggregate `id` has accepted or rejected the command.
    pub(super) fn answered<A>(
        id: Id<A>,
        outgoing: &Arc<Outgoing>,
        outcome: Outcome<A::Error>,
    ) -> Self
    where
        A: Aggregate<Command: DeserializeOwned>,
        S: Sends<A>,
    {
        let recorded = match &outcome {
            Outcome::Accepted { version, position } => {
                CommandOutcome::Accepted { version: *version, position: *position }
            }
            Outcome::Rejected(why) => CommandOutcome::Rejected(why.to_string()),
        };
        let outgoing = outgoing.clone();
        let reaction = move |saga: &mut S| match outgoing.command.decode() {
            Ok(command) => saga.answered(Answer { id, command, outcome }),
            // It was decoded when it was sent.
            Err(error) => panic!("the command does not decode: {error}"),
        };
        Self { outcome: recorded, reaction: Box::new(reaction) }
    }
}

/// Sends a command.
pub(super) type SendFuture<'a, S> =
    Pin<Box<dyn Future<Output = Result<Dispatched<S>, Failure>> + Send + 'a>>;

/// Looks for a command.
pub(super) type FindFuture<'a, S> =
    Pin<Box<dyn Future<Output = Result<Option<Dispatched<S>>, Failure>> + Send + 'a>>;

/// Delivers commands to the aggregates of a type.
pub(super) trait Delivery<S: Saga>: Send + Sync {
    /// Sends a command. The aggregate may have handled a command with this id before.
    fn send<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        metadata: Metadata,
    ) -> SendFuture<'a, S>;

    /// Searches the aggregate's history after the position `as_of` for the command, once every request
    /// that was sent to the aggregate before has ended.
    fn find<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        as_of: Position,
    ) -> FindFuture<'a, S>;
}

impl<S: Saga> Targets<S> {
    pub(super) fn new(codec: Codec) -> Self {
        Self { targets: Vec::new(), codec, stages: Stages::default() }
    }

    pub(super) fn add<A>(&mut self, delivery: Option<Box<dyn Delivery<S>>>)
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
    {
        let target = Target { aggregate: A::TYPE, encode: encode::<A>, delivery };
        self.targets.push(target);
    }

    pub(super) fn encode(&self, sending: Sending) -> Result<Arc<Outgoing>, String> {
        (self.target(sending.aggregate)?.encode)(self.codec, sending)
    }

    /// Whether the saga was built with `sends_to` for a type.
    pub(super) fn has(&self, aggregate: &str) -> bool {
        self.target(aggregate).is_ok()
    }

    /// # Errors
    /// The saga was not built with `sends_to` for the type.
    pub(super) fn delivery(&self, aggregate: &str) -> Result<&dyn Delivery<S>, String> {
        self.target(aggregate)?.delivery.as_deref().ok_or_else(|| missing(aggregate))
    }

    fn target(&self, aggregate: &str) -> Result<&Target<S>, String> {
        let target = self.targets.iter().find(|target| target.aggregate == aggregate);
        target.ok_or_else(|| missing(aggregate))
    }
}

fn missing(aggregate: &str) -> String {
    format!("call `sends_to` for {aggregate:?} before the saga is started")
}

/// Encodes a command and its undo.
fn encode<A>(codec: Codec, sending: Sending) -> Result<Arc<Outgoing>, String>
where
    A: Aggregate<Command: Serialize + DeserializeOwned>,
{
    let encoded = |command: Box<dyn std::any::Any + Send>| {
        let command = command.downcast_ref::<A::Command>().ok_or("a command of another type")?;
        Payload::of(codec, command).map_err(|error| error.to_string())
    };
    Ok(Arc::new(Outgoing {
        aggregate: A::TYPE.into(),
        id: sending.id,
        command: encoded(sending.command)?,
        undo: sending.undo.map(encoded).transpose()?,
    }))
}
