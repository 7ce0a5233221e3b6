//! [`Execute`]: the builder of a command, and its future.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actuarius_domain::{Aggregate, CausationId, CommandId, CorrelationId, Expected, Id, Metadata};
use actuarius_persistence::Deletion;
use tokio::sync::oneshot;
use tracing::Span;

use super::consistency::{AwaitedViews, VIEW_WAIT_MAX, ViewWait};
use super::reply_future::{ReplyFuture, Submission};
use crate::aggregate::directory::Directory;
use crate::aggregate::request::{
    CommandReply, Derive, Operation, Options, Port, Request, RequestKind, ReturningClosure,
    ValuePort,
};
use crate::base::error::{ExecuteError, Failure};
use crate::base::panics::Contained;
use crate::base::receipt::Receipt;
use crate::base::timer::Timer;
use crate::projection::ProjectionHandle;

/// A command to be sent: set its options, then await it. Nothing happens before the first poll.
///
/// If the future is dropped or times out, everything stays consistent: the command is carried out
/// completely or not at all. Retrying with the same [`command_id`](Execute::command_id) is safe.
#[must_use = "a command does nothing until it is awaited"]
pub struct Execute<A: Aggregate, R = Receipt> {
    directory: Arc<Directory<A>>,
    id: Result<Id<A>, Failure>,
    operation: Operation<A>,
    options: Options,
    timeout: Option<Duration>,
    /// Boxed, because most commands wait for no projection.
    views: Option<Box<AwaitedViews>>,
    reply: ReplyEnds<A, R>,
}

type Receiver<A, R> = oneshot::Receiver<Result<R, ExecuteError<<A as Aggregate>::Error>>>;

/// The two ends of the reply channel, created when the kind of reply is chosen.
struct ReplyEnds<A: Aggregate, R> {
    port: Port<A>,
    receiver: Receiver<A, R>,
}

impl<A: Aggregate> Execute<A> {
    pub(crate) fn new(
        directory: Arc<Directory<A>>,
        id: Result<Id<A>, Failure>,
        command: A::Command,
    ) -> Self {
        Self::of(directory, id, Operation::Decide(Contained::new(command)))
    }

    /// Creates a command that ends the aggregate's stream.
    pub(crate) fn deleting(directory: Arc<Directory<A>>, id: Id<A>, deletion: Deletion) -> Self {
        Self::of(directory, Ok(id), Operation::Delete(deletion))
    }

    /// Creates a command that is made from the state of the aggregate in its turn.
    pub(crate) fn deriving(directory: Arc<Directory<A>>, id: Id<A>, derive: Derive<A>) -> Self {
        Self::of(directory, Ok(id), Operation::Derive(derive))
    }

    fn of(
        directory: Arc<Directory<A>>,
        id: Result<Id<A>, Failure>,
        operation: Operation<A>,
    ) -> Self {
        let (sender, receiver) = oneshot::channel::<CommandReply<A>>();
        let reply = ReplyEnds { port: Port::Receipt(sender), receiver };
        let options = Options::default();
        Self { directory, id, operation, options, timeout: None, views: None, reply }
    }

    /// Returns a value computed by `read` from the state right after this command, once the command is
    /// durable.
    ///
    /// The value does not say whether a command with a [`command_id`](Self::command_id) was carried out now, or
    /// before. For a repeated command, `read` sees the present state, after all later commands. Use
    /// [`returning_with_receipt`](Self::returning_with_receipt) if that makes a difference.
    ///
    /// If `read` panics, the result is [`Failure::Panicked`], and the command is durable.
    pub fn returning<R, F>(self, read: F) -> Execute<A, R>
    where
        F: FnOnce(&A) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.through(Box::new(ReturningClosure::new(read, |_, value| value, sender)), receiver)
    }

    /// Sets whether to assume that the aggregate does not exist yet, so that it need not be recovered
    /// before the command is decided. If it exists, the store refuses the events, nothing is written and
    /// the result is [`Failure::Unavailable`].
    pub(crate) fn assume_new(mut self, assume_new: bool) -> Self {
        self.options.assumes_new = assume_new;
        self
    }

    /// Like [`returning`](Self::returning), together with the receipt, which says whether the command was
    /// carried out now or [before](Receipt::repeated).
    ///
    /// The value of a repeated command is computed from the present state, after all later commands, and need
    /// not be what the first call returned.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Runtime};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Counter(i64);
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Counted { Added(i64) }
    /// # impl Aggregate for Counter {
    /// #     const TYPE: &'static str = "counter";
    /// #     type Command = i64;
    /// #     type Event = Counted;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
    /// #         Ok(vec![Counted::Added(amount)])
    /// #     }
    /// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// # let counters = runtime.host::<Counter>();
    /// let add = |amount, id| {
    ///     counters.execute("visits", amount).command_id(id).returning_with_receipt(|counter| counter.0)
    /// };
    /// let (receipt, sum) = add(2, "order-1").await?;
    /// assert_eq!((receipt.repeated, sum), (false, 2));
    /// let (receipt, sum) = add(3, "order-2").await?;
    /// assert_eq!((receipt.repeated, sum), (false, 5));
    ///
    /// // The id is known, so nothing is added, whatever the command is; the sum is today's.
    /// let (receipt, sum) = add(9, "order-1").await?;
    /// assert_eq!((receipt.repeated, receipt.version.get(), sum), (true, 1, 5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn returning_with_receipt<R, F>(self, read: F) -> Execute<A, (Receipt, R)>
    where
        F: FnOnce(&A) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let both = |receipt, value| (receipt, value);
        self.through(Box::new(ReturningClosure::new(read, both, sender)), receiver)
    }

    fn through<R>(self, port: Box<dyn ValuePort<A>>, receiver: Receiver<A, R>) -> Execute<A, R> {
        let reply = ReplyEnds { port: Port::Value(port), receiver };
        let Self { directory, id, operation, options, timeout, views, .. } = self;
        Execute { directory, id, operation, options, timeout, views, reply }
    }
}

impl<A: Aggregate, R> Execute<A, R> {
    /// Sets the id of the command. Sending a command with the same id again returns the first receipt and
    /// writes nothing twice, as long as the aggregate
    /// [remembers](crate::Hosting::remembered_commands) the id.
    ///
    /// Only the id is compared. Another command with the id of an earlier one is not decided: it gets the
    /// receipt of the earlier one, with [`Receipt::repeated`]. Check it where ids are not unique by
    /// construction; with a returned value, through
    /// [`returning_with_receipt`](Execute::returning_with_receipt).
    ///
    /// Any text is an id, also an empty one. Do not call this if a request has no id, for example if a header is
    /// missing or empty: all such requests would be one command.
    ///
    /// A command that was rejected or had no events is not remembered; sent again, it is decided again.
    pub fn command_id(mut self, id: impl Into<CommandId>) -> Self {
        self.options.command_id = Some(id.into());
        self
    }

    /// Requires that the aggregate is at this version; otherwise nothing is written and the result is
    /// [`Failure::Conflict`].
    pub fn expect(mut self, expected: impl Into<Expected>) -> Self {
        self.options.expected = expected.into();
        self
    }

    /// Sets the correlation id, which all commands and events of one business process share.
    pub fn correlation(mut self, id: impl Into<CorrelationId>) -> Self {
        self.edit_metadata().correlation = Some(id.into());
        self
    }

    /// Sets the id of what caused the command.
    pub fn causation(mut self, id: impl Into<CausationId>) -> Self {
        self.edit_metadata().causation = Some(id.into());
        self
    }

    /// Sets the metadata, and replaces metadata set before.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        *self.edit_metadata() = metadata;
        self
    }

    /// Sets a timeout, measured from the first poll. If there is no reply within `time`, the result is
    /// [`Failure::Indeterminate`], and the command may still be carried out.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Waits until this projection shows the command's events, so that a later read sees them. May be
    /// called for several projections.
    ///
    /// The wait ends with the [`timeout`](Execute::timeout), or by default 5 seconds after the command was
    /// sent. It ends at once if a projection is stopped, or has halted at one of these events or before
    /// them. Then the result is [`Failure::NotShown`], and the command is durable.
    pub fn consistent_with(mut self, projection: &ProjectionHandle) -> Self {
        self.views.get_or_insert_default().add(projection.shared().clone());
        self
    }

    /// Takes out the projections to wait for, and records the position of the reply for them.
    fn take_views(mut self) -> (Self, Option<Box<AwaitedViews>>) {
        let Some(views) = self.views.take() else { return (self, None) };
        let Self { directory, id, operation, options, timeout, reply, .. } = self;
        let reply =
            ReplyEnds { port: views.recording_position(reply.port), receiver: reply.receiver };
        (Self { directory, id, operation, options, timeout, views: None, reply }, Some(views))
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

    fn timer(&self) -> &Timer {
        &self.directory.hosted.engine.timer
    }

    fn submit(self) -> Result<Receiver<A, R>, Failure> {
        let Self { directory, id, operation, options, reply, .. } = self;
        let (id, permit) = directory.admit_command(id)?;
        let ReplyEnds { port, receiver } = reply;
        let kind = RequestKind::Execute { operation, options, port };
        directory.send(&id, Request { kind, queued: Instant::now(), permit });
        Ok(receiver)
    }
}

impl<A: Aggregate, R> IntoFuture for Execute<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;
    type IntoFuture = Executing<A, R>;

    fn into_future(self) -> Executing<A, R> {
        let timeout = self.timeout;
        let (execute, views) = self.take_views();
        let within = timeout.unwrap_or(VIEW_WAIT_MAX);
        let view_wait = views.map(|views| Box::new(ViewWait::new(*views, within)));
        Executing { reply: ReplyFuture::new(execute, timeout), view_wait }
    }
}

/// The future of an [`Execute`].
#[must_use = "a command does nothing until it is awaited"]
pub struct Executing<A: Aggregate, R = Receipt> {
    reply: ReplyFuture<Execute<A, R>>,
    view_wait: Option<Box<ViewWait<R>>>,
}

// No field is pinned in place: the pinned futures are boxed.
impl<A: Aggregate, R> Unpin for Executing<A, R> {}

impl<A: Aggregate, R> Future for Executing<A, R> {
    type Output = Result<R, ExecuteError<A::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reply, view_wait } = &mut *self;
        let Some(view_wait) = view_wait else { return Pin::new(reply).poll(context) };
        if !view_wait.has_reply() {
            view_wait.begin();
            match ready!(Pin::new(reply).poll(context)) {
                Ok(answer) => view_wait.hold(answer),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        view_wait.poll(context)
    }
}
