use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::{
    Aggregate, Answer, CommandId, Effects, Id, Metadata, Outcome, Position, Saga, Sending, Sends,
    Version,
};
use actuarius_persistence::keys::Keys;
use actuarius_persistence::{Codec, Notes, PageLimit, ReadError, Reader};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stage::Stages;
use super::stored::{CommandOutcome, Outgoing, Payload};
use crate::aggregate::directory::Directory;
use crate::base::error::{ExecuteError, Failure, Unavailable};
use crate::engine::keyring::Keyring;
use crate::request::execute::Execute;
use crate::request::query::Query;

/// The aggregate types that a saga sends commands to, by name.
pub(super) struct Targets<S: Saga> {
    targets: Vec<Box<dyn Target<S>>>,
    /// How commands and deadlines are written.
    pub(super) codec: Codec,
    pub(super) stages: Stages,
}

/// What the code of the user makes of an input.
pub(super) type Reaction<S> = Box<dyn FnOnce(&mut S) -> Effects<S> + Send>;

/// A command that was carried out, and what the saga makes of it.
pub(super) struct Dispatched<S: Saga> {
    pub(super) told: CommandOutcome,
    pub(super) reaction: Reaction<S>,
}

impl<S: Saga> Dispatched<S> {
    /// It was never carried out, and will not be.
    pub(super) fn abandoned() -> Self {
        Self { told: CommandOutcome::Abandoned, reaction: Box::new(|_| Effects::none()) }
    }
}

/// How carrying out a command ends.
pub(super) type Carrying<'a, S> =
    Pin<Box<dyn Future<Output = Result<Dispatched<S>, Failure>> + Send + 'a>>;

/// How looking for a command ends.
pub(super) type Finding<'a, S> =
    Pin<Box<dyn Future<Output = Result<Option<Dispatched<S>>, Failure>> + Send + 'a>>;

/// One aggregate type.
pub(super) trait Target<S: Saga>: Send + Sync {
    fn aggregate(&self) -> &'static str;

    fn write(&self, codec: Codec, sending: Sending) -> Result<Arc<Outgoing>, String>;

    /// Sends a command, which the aggregate may know by its id.
    fn send<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        metadata: Metadata,
    ) -> Carrying<'a, S>;

    /// Looks in the aggregate's history whether the command was carried out behind the position
    /// `as_of`, once everything that was sent to it before has come to an end.
    fn find<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        as_of: Position,
    ) -> Finding<'a, S>;
}

impl<S: Saga> Targets<S> {
    pub(super) fn new(codec: Codec) -> Self {
        Self { targets: Vec::new(), codec, stages: Stages::default() }
    }

    pub(super) fn add<A>(&mut self, directory: Arc<Directory<A>>)
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
        S: Sends<A>,
    {
        self.add_target(Typed { directory, saga: PhantomData });
    }

    pub(super) fn add_target(&mut self, target: impl Target<S> + 'static) {
        self.targets.push(Box::new(target));
    }

    pub(super) fn write(&self, sending: Sending) -> Result<Arc<Outgoing>, String> {
        self.target(sending.aggregate)?.write(self.codec, sending)
    }

    /// # Errors
    /// It sends to a type that it was not said to send to.
    pub(super) fn target(&self, aggregate: &str) -> Result<&dyn Target<S>, String> {
        let target = self.targets.iter().find(|target| target.aggregate() == aggregate);
        let missing = || format!("say `sends_to` for {aggregate:?} before the saga is started");
        target.map(|target| &**target).ok_or_else(missing)
    }
}

struct Typed<S, A: Aggregate> {
    directory: Arc<Directory<A>>,
    saga: PhantomData<fn() -> S>,
}

impl<S, A> Target<S> for Typed<S, A>
where
    A: Aggregate<Command: Serialize + DeserializeOwned>,
    S: Sends<A>,
{
    fn aggregate(&self) -> &'static str {
        A::TYPE
    }

    fn write(&self, codec: Codec, sending: Sending) -> Result<Arc<Outgoing>, String> {
        written::<A>(codec, sending)
    }

    fn send<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        metadata: Metadata,
    ) -> Carrying<'a, S> {
        Box::pin(async move {
            let id = Id::<A>::new(outgoing.id.clone())?;
            let decoded = decoded(&self.directory.hosted.engine.keyring, outgoing)?;
            let execute = Execute::new(self.directory.clone(), Ok(id.clone()), decoded);
            match execute.command_id(command).metadata(metadata).await {
                Ok(receipt) => Ok(accepted(id, outgoing, receipt.version, receipt.position)),
                Err(ExecuteError::Rejected(error)) => {
                    let told = CommandOutcome::Rejected(error.to_string());
                    Ok(carried(told, id, outgoing, Outcome::Rejected(error)))
                }
                Err(ExecuteError::Failed(failure)) => Err(failure),
            }
        })
    }

    fn find<'a>(
        &'a self,
        outgoing: &'a Arc<Outgoing>,
        command: CommandId,
        as_of: Position,
    ) -> Finding<'a, S> {
        Box::pin(async move {
            let id = Id::<A>::new(outgoing.id.clone())?;
            self.let_all_before_end(&id).await?;
            let (reader, stream) = (self.directory.hosted.engine.store.reader()?, id.stream());
            let look = move || find_back(&*reader, &stream, command, as_of);
            let found = tokio::task::spawn_blocking(look).await;
            let found = found.map_err(|_| Failure::shutting_down())??;
            Ok(found.map(|(version, position)| accepted(id, outgoing, version, position)))
        })
    }
}

impl<S, A: Aggregate> Typed<S, A> {
    /// Waits until everything that was sent to an aggregate before has come to an end.
    async fn let_all_before_end(&self, id: &Id<A>) -> Result<(), Failure> {
        match Query::new(self.directory.clone(), Ok(id.clone()), |_| ()).await {
            // It takes nothing, and what it had taken is with the committer, which keeps the order.
            Err(Failure::Quarantined(_) | Failure::Unavailable(Unavailable::Recovery(_))) => {
                let committer = &self.directory.hosted.engine.committer;
                let stored = committer.store_notes(Notes::default()).await;
                stored.map_err(|_| Failure::shutting_down())
            }
            other => other,
        }
    }
}

/// A command as it is stored.
pub(super) fn written<A>(codec: Codec, sending: Sending) -> Result<Arc<Outgoing>, String>
where
    A: Aggregate<Command: Serialize>,
{
    let written = |command: Box<dyn std::any::Any + Send>| {
        let command = command.downcast_ref::<A::Command>().ok_or("a command of another type")?;
        Payload::of(codec, command).map_err(|error| error.to_string())
    };
    Ok(Arc::new(Outgoing {
        aggregate: A::TYPE.into(),
        id: sending.id,
        command: written(sending.command)?,
        undo: sending.undo.map(written).transpose()?,
    }))
}

fn decoded<C: DeserializeOwned>(keyring: &Keyring, outgoing: &Outgoing) -> Result<C, Failure> {
    let decoded = Keys::deriving(keyring.keys(), || outgoing.command.decode());
    decoded.map_err(Failure::Unstorable)
}

fn accepted<S, A>(
    id: Id<A>,
    outgoing: &Arc<Outgoing>,
    version: Version,
    position: Position,
) -> Dispatched<S>
where
    A: Aggregate<Command: DeserializeOwned>,
    S: Sends<A>,
{
    let told = CommandOutcome::Accepted { version, position };
    carried(told, id, outgoing, Outcome::Accepted { version, position })
}

pub(super) fn carried<S, A>(
    told: CommandOutcome,
    id: Id<A>,
    outgoing: &Arc<Outgoing>,
    outcome: Outcome<A::Error>,
) -> Dispatched<S>
where
    A: Aggregate<Command: DeserializeOwned>,
    S: Sends<A>,
{
    let outgoing = outgoing.clone();
    let reaction = move |saga: &mut S| match outgoing.command.decode() {
        Ok(command) => saga.answered(Answer { id, command, outcome }),
        // It did decode when it was sent.
        Err(error) => panic!("the command does not decode: {error}"),
    };
    Dispatched { told, reaction: Box::new(reaction) }
}

/// How many versions are looked at together.
const STRETCH: u64 = 512;

/// The commit of a command in its stream, from the end back to the position `as_of`.
fn find_back(
    reader: &dyn Reader,
    stream: &actuarius_domain::StreamId,
    command: CommandId,
    as_of: Position,
) -> Result<Option<(Version, Position)>, ReadError> {
    let mut until = reader.version(stream)?;
    while until > Version::NONE {
        let from = Version::new(until.get().saturating_sub(STRETCH));
        let (mut after, mut reaches_back) = (from, false);
        while after < until {
            let page = reader.read_stream(stream, after, Position::NONE, PageLimit::default())?;
            let Some(last) = page.commits.last() else { break };
            for commit in &page.commits {
                let view = commit.view();
                reaches_back |= view.position <= as_of;
                if view.command_id == command {
                    return Ok(Some((view.last_version(), view.last_position())));
                }
            }
            after = last.view().last_version();
        }
        if reaches_back {
            return Ok(None);
        }
        until = from;
    }
    Ok(None)
}
