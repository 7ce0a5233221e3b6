//! [`Request`]: what waits in an inbox, and the ports that its reply is sent through.

use std::time::Instant;

use actuarius_domain::{Aggregate, CommandId, Expected, Metadata};
use actuarius_persistence::Deletion;
use tokio::sync::oneshot;

use crate::base::error::{ExecuteError, Failure, Place};
use crate::base::panics::{Contained, discard, guarded};
use crate::base::receipt::Receipt;
use crate::base::telemetry::Meters;
use crate::commit::admission::Permit;

/// One request. Its permit counts it as inside the runtime until it is answered.
pub(crate) struct Request<A: Aggregate> {
    pub(crate) kind: RequestKind<A>,
    pub(crate) queued: Instant,
    pub(crate) permit: Permit,
}

pub(crate) enum RequestKind<A: Aggregate> {
    Execute { operation: Operation<A>, options: Options, port: Port<A> },
    Query(Box<dyn QueryPort<A>>),
}

/// What a command does.
pub(crate) enum Operation<A: Aggregate> {
    /// The aggregate decides which events follow.
    Decide(Contained<A::Command>),
    /// The aggregate decides a command that is made from its state.
    Derive(Derive<A>),
    /// Its stream ends.
    Delete(Deletion),
}

/// Makes a command from the state of an aggregate that exists; `None` if there is none to decide. May panic, as the
/// user's code may.
pub(crate) type Derive<A> = Box<dyn FnOnce(&A) -> Option<<A as Aggregate>::Command> + Send>;

/// What a caller has set besides the command.
#[derive(Default)]
pub(crate) struct Options {
    /// Chosen by the caller; otherwise the aggregate's actor generates one.
    pub(crate) command_id: Option<CommandId>,
    pub(crate) expected: Expected,
    /// The caller assumes that the aggregate does not exist yet. If that is wrong, nothing is written
    /// and the reply is [`Failure::Unavailable`].
    pub(crate) assumes_new: bool,
    /// Boxed, because most commands carry none.
    pub(crate) metadata: Option<Box<Metadata>>,
}

pub(crate) type CommandReply<A> = Result<Receipt, ExecuteError<<A as Aggregate>::Error>>;

/// Where the reply to a command is sent.
pub(crate) enum Port<A: Aggregate> {
    Receipt(oneshot::Sender<CommandReply<A>>),
    Value(Box<dyn ValuePort<A>>),
}

impl<A: Aggregate> Port<A> {
    /// Returns whether the caller no longer waits for the reply.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Receipt(sender) => sender.is_closed(),
            Self::Value(port) => port.is_abandoned(),
        }
    }

    /// Reads the state right after the command, if the reply is computed from it.
    pub(crate) fn read(&mut self, state: &A) {
        if let Self::Value(port) = self {
            port.read(state);
        }
    }

    pub(crate) fn answer(self, answer: CommandReply<A>) {
        match self {
            // Fails if the caller no longer waits: then the answer, which is the user's, is dropped here.
            Self::Receipt(sender) => discard(sender.send(answer)),
            Self::Value(port) => port.answer(answer),
        }
    }
}

/// The port of a command that returns a value computed from the state.
pub(crate) trait ValuePort<A: Aggregate>: Send {
    fn is_abandoned(&self) -> bool;
    fn read(&mut self, state: &A);
    fn answer(self: Box<Self>, answer: CommandReply<A>);
}

/// The port of a query.
pub(crate) trait QueryPort<A: Aggregate>: Send {
    fn is_abandoned(&self) -> bool;
    fn read(&mut self, state: &A);
    fn answer(self: Box<Self>, outcome: Result<(), Failure>);
}

/// A closure that reads the state: first the closure, then its value or its panic.
enum StateReader<F, R> {
    Pending(F),
    Done(Result<R, String>),
    Running,
}

impl<F, R> StateReader<F, R> {
    fn read<A>(&mut self, state: &A)
    where
        F: FnOnce(&A) -> R,
    {
        if let Self::Pending(closure) = std::mem::replace(self, Self::Running) {
            // The closure is consumed by its call, or dropped by its panic, within the guard.
            *self = Self::Done(guarded(|| closure(state)));
        }
    }

    fn value(self, place: Place) -> Result<R, Failure> {
        match self {
            Self::Done(Ok(value)) => Ok(value),
            Self::Done(Err(message)) => Err(Failure::Panicked { place, message }),
            Self::Pending(_) | Self::Running => Err(Failure::undone()),
        }
    }
}

/// The port of a query, with its closure.
pub(crate) struct QueryClosure<F, R> {
    closure: Contained<StateReader<F, R>>,
    sender: oneshot::Sender<Result<R, Failure>>,
}

impl<F, R> QueryClosure<F, R> {
    pub(crate) fn new(closure: F, sender: oneshot::Sender<Result<R, Failure>>) -> Self {
        Self { closure: Contained::new(StateReader::Pending(closure)), sender }
    }
}

impl<A, F, R> QueryPort<A> for QueryClosure<F, R>
where
    A: Aggregate,
    F: FnOnce(&A) -> R + Send,
    R: Send,
{
    fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn read(&mut self, state: &A) {
        self.closure.read(state);
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self { closure, sender } = *self;
        discard(sender.send(outcome.and_then(|()| closure.take().value(Place::Query))));
    }
}

/// The port of a command that returns a combination of its receipt and the value of a closure.
pub(crate) struct ReturningClosure<F, R, T, E> {
    closure: Contained<StateReader<F, R>>,
    combine: fn(Receipt, R) -> T,
    sender: oneshot::Sender<Result<T, E>>,
}

impl<F, R, T, E> ReturningClosure<F, R, T, E> {
    pub(crate) fn new(
        closure: F,
        combine: fn(Receipt, R) -> T,
        sender: oneshot::Sender<Result<T, E>>,
    ) -> Self {
        Self { closure: Contained::new(StateReader::Pending(closure)), combine, sender }
    }
}

impl<A, F, R, T> ValuePort<A> for ReturningClosure<F, R, T, ExecuteError<A::Error>>
where
    A: Aggregate,
    F: FnOnce(&A) -> R + Send,
    R: Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn read(&mut self, state: &A) {
        self.closure.read(state);
    }

    fn answer(self: Box<Self>, answer: CommandReply<A>) {
        let Self { closure, combine, sender } = *self;
        let combined = |receipt| Ok(combine(receipt, closure.take().value(Place::Returning)?));
        discard(sender.send(answer.and_then(combined)));
    }
}

impl<A: Aggregate> Request<A> {
    /// Returns whether it assumes that the aggregate does not exist yet.
    pub(crate) fn assumes_new(&self) -> bool {
        matches!(&self.kind, RequestKind::Execute { options, .. } if options.assumes_new)
    }

    /// Returns whether it ends the stream, which needs no state.
    pub(crate) fn deletes(&self) -> bool {
        matches!(&self.kind, RequestKind::Execute { operation: Operation::Delete(_), .. })
    }

    /// Returns whether it only reads.
    pub(crate) fn is_query(&self) -> bool {
        matches!(self.kind, RequestKind::Query(_))
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.kind {
            RequestKind::Execute { port, .. } => port.is_abandoned(),
            RequestKind::Query(port) => port.is_abandoned(),
        }
    }

    /// Answers a request that was not processed.
    pub(crate) fn fail(self, failure: Failure, meters: &Meters) {
        let Self { kind, permit, .. } = self;
        // First, so that a caller that has its reply is no longer counted as inside.
        drop(permit);
        match kind {
            RequestKind::Execute { port, .. } => {
                // A metrics recorder may panic; the caller is answered all the same.
                let _ = guarded(|| meters.refused(&failure));
                port.answer(Err(failure.into()));
            }
            RequestKind::Query(port) => port.answer(Err(failure)),
        }
    }
}
