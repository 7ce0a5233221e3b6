use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actuarius_domain::{Aggregate, CausationId, CommandId, CorrelationId, Expected, Id, Metadata};
use actuarius_persistence::Deletion;
use tokio::sync::oneshot;
use tracing::Span;

use super::consistency::{Showing, Views};
use super::reply_future::{Answering, Submission};
use crate::aggregate::directory::Directory;
use crate::aggregate::request::{Answer, Ask, Options, Order, Port, Request, Returning, ValuePort};
use crate::base::error::{ExecuteError, Failure};
use crate::base::receipt::Receipt;
use crate::projection::{self, ProjectionHandle};

/// A command on its way: add to it, then await it. Nothing happens before.
///
/// Dropping the future, or its timeout, leaves everything consistent: the command is carried out
/// whole or not at all. Retrying with the same [`command_id`](Execute::command_id) is safe.
#[must_use = "a command does nothing until it is awaited"]
pub struct Execute<A: Aggregate, R = Receipt> {
    directory: Arc<Directory<A>>,
    id: Result<Id<A>, Failure>,
    order: Order<A>,
    options: Options,
    timeout: Option<Duration>,
    /// Boxed, because most commands wait for none.
    views: Option<Box<Views>>,
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
        Self::of(directory, id, Order::Decide(command))
    }

    /// The end of the aggregate's stream.
    pub(crate) fn deleting(directory: Arc<Directory<A>>, id: Id<A>, deletion: Deletion) -> Self {
        Self::of(directory, Ok(id), Order::Delete(deletion))
    }

    fn of(directory: Arc<Directory<A>>, id: Result<Id<A>, Failure>, order: Order<A>) -> Self {
        let (sender, receiver) = oneshot::channel::<Answer<A>>();
        let reply = Reply { port: Port::Receipt(sender), receiver };
        let options = Options::default();
        Self { directory, id, order, options, timeout: None, views: None, reply }
    }

    /// Answers with a value computed from the state right behind this command, once the command is
    /// durable. For a repeated command the state is the present one.
    pub fn returning<R, F>(self, look: F) -> Execute<A, R>
    where
        F: FnOnce(&A) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.through(Box::new(Returning::new(look, |_, value| value, sender)), receiver)
    }

    /// Says that the aggregate is believed not to exist yet, so that it need not be looked for before
    /// the command is decided. If it does exist, nothing is written: the store refuses the events, and
    /// the answer is [`Failure::Unavailable`].
    pub(crate) fn creating(mut self, creates: bool) -> Self {
        self.options.creates = creates;
        self
    }

    /// As [`returning`](Self::returning), with the receipt.
    pub(crate) fn telling<R, F>(self, look: F) -> Execute<A, (Receipt, R)>
    where
        F: FnOnce(&A) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let both = |receipt, value| (receipt, value);
        self.through(Box::new(Returning::new(look, both, sender)), receiver)
    }

    fn through<R>(self, port: Box<dyn ValuePort<A>>, receiver: Receiver<A, R>) -> Execute<A, R> {
        let reply = Reply { port: Port::Value(port), receiver };
        let Self { directory, id, order, options, timeout, views, .. } = self;
        Execute { directory, id, order, options, timeout, views, reply }
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

    /// Answers only when this projection shows the command's events, too (an *inline* projection in
    /// the literature), so that a read behind the answer sees them. May be said for several.
    ///
    /// The wait ends with the [`timeout`](Execute::timeout), otherwise 5 seconds after the command was
    /// sent; and at once when a projection has halted at one of these events or before them, or is
    /// stopped. Then the answer is [`Failure::NotShown`], and the command is durable all the same.
    pub fn consistent_with(mut self, projection: &ProjectionHandle) -> Self {
        self.views.get_or_insert_default().add(projection.shared().clone());
        self
    }

    /// Takes the views out, and has the answer note its position for them.
    fn with_views_noted(mut self) -> (Self, Option<Box<Views>>) {
        let Some(views) = self.views.take() else { return (self, None) };
        let Self { directory, id, order, options, timeout, reply, .. } = self;
        let reply = Reply { port: views.noting(reply.port), receiver: reply.receiver };
        (Self { directory, id, order, options, timeout, views: None, reply }, Some(views))
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
        let Self { directory, id, order, options, reply, .. } = self;
        let (id, permit) = directory.admit_command(id)?;
        let Reply { port, receiver } = reply;
        let ask = Ask::Execute { order, options, port };
        directory.send(&id, Request { ask, queued: Instant::now(), permit });
        Ok(receiver)
    }
}

impl<A: Aggregate, R> IntoFuture for Execute<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;
    type IntoFuture = Executing<A, R>;

    fn into_future(self) -> Executing<A, R> {
        let timeout = self.timeout;
        let (execute, views) = self.with_views_noted();
        let within = timeout.unwrap_or(projection::WAITS_AT_MOST);
        let showing = views.map(|views| Box::new(Showing::new(*views, within)));
        Executing { answering: Answering::new(execute, timeout), showing }
    }
}

/// The future of an [`Execute`].
#[must_use = "a command does nothing until it is awaited"]
pub struct Executing<A: Aggregate, R = Receipt> {
    answering: Answering<Execute<A, R>>,
    showing: Option<Box<Showing<R>>>,
}

// Nothing is pinned in place: what has to be is boxed.
impl<A: Aggregate, R> Unpin for Executing<A, R> {}

impl<A: Aggregate, R> Future for Executing<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answering, showing } = &mut *self;
        let Some(showing) = showing else { return Pin::new(answering).poll(context) };
        if !showing.has_answer() {
            showing.begin();
            match ready!(Pin::new(answering).poll(context)) {
                Ok(answer) => showing.hold(answer),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        showing.poll(context)
    }
}
