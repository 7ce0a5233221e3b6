//! What waits in an inbox: a request, and the port its answer leaves through.

use std::time::Instant;

use actuarius_domain::{Aggregate, CommandId, Expected, Metadata};
use actuarius_persistence::Deletion;
use tokio::sync::oneshot;

use crate::base::error::{ExecuteError, Failure, Place};
use crate::base::panics::guarded;
use crate::base::receipt::Receipt;
use crate::base::telemetry::Meters;
use crate::commit::admission::Permit;

/// One request, in the place of the runtime that its permit holds until it is answered.
pub(crate) struct Request<A: Aggregate> {
    pub(crate) ask: Ask<A>,
    pub(crate) queued: Instant,
    pub(crate) permit: Permit,
}

pub(crate) enum Ask<A: Aggregate> {
    Execute { order: Order<A>, options: Options, port: Port<A> },
    Query(Box<dyn QueryPort<A>>),
}

/// What is to be done.
pub(crate) enum Order<A: Aggregate> {
    /// The aggregate decides what follows.
    Decide(A::Command),
    /// Its stream ends.
    Delete(Deletion),
}

/// What a caller said beside the command.
#[derive(Default)]
pub(crate) struct Options {
    /// Chosen by the caller; otherwise the aggregate's actor draws one.
    pub(crate) command_id: Option<CommandId>,
    pub(crate) expected: Expected,
    /// The caller believes that the aggregate does not exist yet. If that is wrong, nothing is
    /// written, and the answer is [`Failure::Unavailable`].
    pub(crate) creates: bool,
    /// Boxed, because most commands carry none.
    pub(crate) metadata: Option<Box<Metadata>>,
}

pub(crate) type Answer<A> = Result<Receipt, ExecuteError<<A as Aggregate>::Error>>;

/// Where the answer to a command goes.
pub(crate) enum Port<A: Aggregate> {
    Receipt(oneshot::Sender<Answer<A>>),
    Value(Box<dyn ValuePort<A>>),
}

impl<A: Aggregate> Port<A> {
    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Receipt(sender) => sender.is_closed(),
            Self::Value(port) => port.is_abandoned(),
        }
    }

    /// Looks at the state right behind the command, where an answer shows it.
    pub(crate) fn look(&mut self, state: &A) {
        if let Self::Value(port) = self {
            port.look(state);
        }
    }

    pub(crate) fn answer(self, answer: Answer<A>) {
        match self {
            // A caller that no longer waits has dropped the other end; that is its right.
            Self::Receipt(sender) => drop(sender.send(answer)),
            Self::Value(port) => port.answer(answer),
        }
    }
}

/// The port of a command that returns a value computed from the state.
pub(crate) trait ValuePort<A: Aggregate>: Send {
    fn is_abandoned(&self) -> bool;
    fn look(&mut self, state: &A);
    fn answer(self: Box<Self>, answer: Answer<A>);
}

/// The port of a query.
pub(crate) trait QueryPort<A: Aggregate>: Send {
    fn is_abandoned(&self) -> bool;
    fn look(&mut self, state: &A);
    fn answer(self: Box<Self>, outcome: Result<(), Failure>);
}

/// A look at the state: the closure before it, its value or its panic after.
enum Look<F, R> {
    Ahead(F),
    Done(Result<R, String>),
    Under,
}

impl<F, R> Look<F, R> {
    fn at<A>(&mut self, state: &A)
    where
        F: FnOnce(&A) -> R,
    {
        if let Self::Ahead(closure) = std::mem::replace(self, Self::Under) {
            *self = Self::Done(guarded(|| closure(state)));
        }
    }

    fn value(self, place: Place) -> Result<R, Failure> {
        match self {
            Self::Done(Ok(value)) => Ok(value),
            Self::Done(Err(message)) => Err(Failure::Panicked { place, message }),
            Self::Ahead(_) | Self::Under => Err(Failure::undone()),
        }
    }
}

/// The port of a query with its closure.
pub(crate) struct Looking<F, R> {
    look: Look<F, R>,
    sender: oneshot::Sender<Result<R, Failure>>,
}

impl<F, R> Looking<F, R> {
    pub(crate) fn new(closure: F, sender: oneshot::Sender<Result<R, Failure>>) -> Self {
        Self { look: Look::Ahead(closure), sender }
    }
}

impl<A, F, R> QueryPort<A> for Looking<F, R>
where
    A: Aggregate,
    F: FnOnce(&A) -> R + Send,
    R: Send,
{
    fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn look(&mut self, state: &A) {
        self.look.at(state);
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        let Self { look, sender } = *self;
        drop(sender.send(outcome.and_then(|()| look.value(Place::Query))));
    }
}

/// The port of a command that returns something made of its receipt and the value of a closure.
pub(crate) struct Returning<F, R, T, E> {
    look: Look<F, R>,
    made_of: fn(Receipt, R) -> T,
    sender: oneshot::Sender<Result<T, E>>,
}

impl<F, R, T, E> Returning<F, R, T, E> {
    pub(crate) fn new(
        closure: F,
        made_of: fn(Receipt, R) -> T,
        sender: oneshot::Sender<Result<T, E>>,
    ) -> Self {
        Self { look: Look::Ahead(closure), made_of, sender }
    }
}

impl<A, F, R, T> ValuePort<A> for Returning<F, R, T, ExecuteError<A::Error>>
where
    A: Aggregate,
    F: FnOnce(&A) -> R + Send,
    R: Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    fn look(&mut self, state: &A) {
        self.look.at(state);
    }

    fn answer(self: Box<Self>, answer: Answer<A>) {
        let Self { look, made_of, sender } = *self;
        let made = |receipt| Ok(made_of(receipt, look.value(Place::Returning)?));
        drop(sender.send(answer.and_then(made)));
    }
}

impl<A: Aggregate> Request<A> {
    /// Whether it is believed to be the aggregate's first.
    pub(crate) fn creates(&self) -> bool {
        matches!(&self.ask, Ask::Execute { options, .. } if options.creates)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.ask {
            Ask::Execute { port, .. } => port.is_abandoned(),
            Ask::Query(port) => port.is_abandoned(),
        }
    }

    /// Answers a request that was never looked at.
    pub(crate) fn fail(self, failure: Failure, meters: &Meters) {
        let Self { ask, permit, .. } = self;
        // First, so that a caller who has its answer has also left the runtime.
        drop(permit);
        match ask {
            Ask::Execute { port, .. } => {
                meters.refused(&failure);
                port.answer(Err(failure.into()));
            }
            Ask::Query(port) => port.answer(Err(failure)),
        }
    }
}
