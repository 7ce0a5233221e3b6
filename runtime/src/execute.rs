use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actuarius_domain::{Aggregate, CausationId, CommandId, CorrelationId, Expected, Id, Metadata};
use tokio::sync::oneshot;
use tracing::Span;

use crate::answering::{Answering, Submission};
use crate::directory::Directory;
use crate::error::{ExecuteError, Failure};
use crate::receipt::Receipt;
use crate::request::{Answer, Ask, Looking, Options, Port, Request};

/// A command on its way: add to it, then await it. Nothing happens before.
///
/// Dropping the future, or its timeout, leaves everything consistent: the command is carried out
/// whole or not at all. Retrying with the same [`command_id`](Execute::command_id) is safe.
#[must_use = "a command does nothing until it is awaited"]
pub struct Execute<A: Aggregate, R = Receipt> {
    directory: Arc<Directory<A>>,
    id: Result<Id<A>, Failure>,
    command: A::Command,
    options: Options,
    timeout: Option<Duration>,
    reply: Reply<A, R>,
}

type Receiver<A, R> = oneshot::Receiver<Result<R, ExecuteError<<A as Aggregate>::Error>>>;

/// The two ends of the answer, made when the kind of answer is chosen.
struct Reply<A: Aggregate, R> {
    port: Port<A>,
    receiver: Receiver<A, R>,
}

impl<A: Aggregate> Execute<A> {
    pub(crate) fn new(
        directory: Arc<Directory<A>>,
        id: Result<Id<A>, Failure>,
        command: A::Command,
    ) -> Self {
        let (sender, receiver) = oneshot::channel::<Answer<A>>();
        let reply = Reply { port: Port::Receipt(sender), receiver };
        Self { directory, id, command, options: Options::default(), timeout: None, reply }
    }

    /// Answers with a value computed from the state right behind this command, once the command is
    /// durable. For a repeated command the state is the present one.
    pub fn returning<R, F>(self, look: F) -> Execute<A, R>
    where
        F: FnOnce(&A) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let reply = Reply { port: Port::Value(Box::new(Looking::new(look, sender))), receiver };
        let Self { directory, id, command, options, timeout, .. } = self;
        Execute { directory, id, command, options, timeout, reply }
    }
}

impl<A: Aggregate, R> Execute<A, R> {
    /// Names the command, so that sending it again gets the first receipt back and writes nothing
    /// twice, within the [window](crate::Hosting::remembered_commands) of the aggregate.
    ///
    /// A command that was rejected, or had no events, left nothing behind and is decided anew.
    pub fn command_id(mut self, id: impl Into<CommandId>) -> Self {
        self.options.command_id = Some(id.into());
        self
    }

    /// Demands that the aggregate is at this version; otherwise the answer is
    /// [`Failure::Conflict`].
    pub fn expect(mut self, expected: impl Into<Expected>) -> Self {
        self.options.expected = expected.into();
        self
    }

    /// Makes the command part of a story.
    pub fn correlation(mut self, id: impl Into<CorrelationId>) -> Self {
        self.edit_metadata().correlation = Some(id.into());
        self
    }

    /// Says what caused the command.
    pub fn causation(mut self, id: impl Into<CausationId>) -> Self {
        self.edit_metadata().causation = Some(id.into());
        self
    }

    /// Sends metadata along, in place of what was said so far.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        *self.edit_metadata() = metadata;
        self
    }

    /// Answers [`Failure::Indeterminate`] when there is no answer within `time`. The command may
    /// still be carried out.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    fn edit_metadata(&mut self) -> &mut Metadata {
        self.options.metadata.get_or_insert_default()
    }
}

impl<A: Aggregate, R> Submission for Execute<A, R> {
    type Value = R;
    type Error = ExecuteError<A::Error>;

    fn span(&self) -> Span {
        let id = self.id.as_ref().map(Id::as_str).unwrap_or_default();
        tracing::debug_span!(target: "actuarius::execute", "execute", aggregate = A::TYPE, id)
    }

    fn submit(self) -> Result<Receiver<A, R>, Failure> {
        let Self { directory, id, command, options, reply, .. } = self;
        let (id, permit) = directory.admit_command(id)?;
        let Reply { port, receiver } = reply;
        let ask = Ask::Execute { command, options, port };
        directory.send(&id, Request { ask, queued: Instant::now(), permit });
        Ok(receiver)
    }
}

impl<A: Aggregate, R> IntoFuture for Execute<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;
    type IntoFuture = Executing<A, R>;

    fn into_future(self) -> Executing<A, R> {
        let timeout = self.timeout;
        Executing(Answering::new(self, timeout))
    }
}

/// The future of an [`Execute`].
#[must_use = "a command does nothing until it is awaited"]
pub struct Executing<A: Aggregate, R = Receipt>(Answering<Execute<A, R>>);

impl<A: Aggregate, R> Future for Executing<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}
