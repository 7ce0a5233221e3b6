//! An append on its way to the disk, with the answers that wait for it.

use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Position, StreamId, Version};

use super::activation::Activation;
use super::inbox::Landing;
use super::request::{Port, QueryPort};
use crate::base::error::{ExecuteError, Failure};
use crate::base::receipt::Receipt;
use crate::base::telemetry::Meters;
use crate::commit::admission::Permit;
use crate::commit::committer::{NotStored, Waiter};

/// The mark that a turn is under way. However the turn ends, by answer, panic or a lost thread, the
/// slot hears of it, so an aggregate can never hang.
pub(crate) struct Busy<A: Aggregate> {
    activation: Arc<Activation<A>>,
    landing: Landing,
}

impl<A: Aggregate> Busy<A> {
    pub(crate) fn new(activation: Arc<Activation<A>>) -> Self {
        Self { activation, landing: Landing::Failed }
    }

    pub(crate) fn activation(&self) -> &Arc<Activation<A>> {
        &self.activation
    }

    pub(crate) fn end(mut self, landing: Landing) {
        self.landing = landing;
    }
}

impl<A: Aggregate> Drop for Busy<A> {
    fn drop(&mut self) {
        if let Some(epoch) = self.activation.slot.end_turn(self.landing) {
            self.activation.start_next(epoch);
        }
    }
}

/// An answer that is decided and not yet given.
pub(crate) enum Prepared<A: Aggregate> {
    /// The receipt; its position comes with the landing if it lies in this flight.
    Yes(Port<A>, Receipt),
    No(Port<A>, ExecuteError<A::Error>),
    Query(Box<dyn QueryPort<A>>),
    NoQuery(Box<dyn QueryPort<A>>, Failure),
}

/// An answer that waits for a flight, in the place its request takes in the runtime.
pub(crate) struct Held<A: Aggregate> {
    pub(crate) answer: Prepared<A>,
    pub(crate) permit: Permit,
}

impl<A: Aggregate> Prepared<A> {
    /// Gives the answer as it is: everything it rests on is durable.
    pub(crate) fn give(self, meters: &Meters) {
        match self {
            Self::Yes(port, receipt) => {
                meters.accepted(&receipt);
                port.answer(Ok(receipt));
            }
            Self::No(port, error) => {
                meters.refused_command(&error);
                port.answer(Err(error));
            }
            Self::Query(port) => {
                meters.queried();
                port.answer(Ok(()));
            }
            Self::NoQuery(port, failure) => port.answer(Err(failure)),
        }
    }

    /// Gives the answer now that the event behind `base` stands at `first`.
    fn give_landed(mut self, base: Version, first: Position, meters: &Meters) {
        if let Self::Yes(_, receipt) = &mut self
            && receipt.version > base
        {
            receipt.position = first.plus(receipt.version.get() - base.get() - 1);
        }
        self.give(meters);
    }

    /// The events it rests on are not durable, so it is not given; the caller hears why.
    fn withdraw(self, base: Version, why: &NotStored, meters: &Meters) {
        match self {
            // A repeated command whose first receipt is older than this flight: still a fact. A
            // value would not be: it was computed from the state that is gone.
            Self::Yes(port @ Port::Receipt(_), receipt) if receipt.version <= base => {
                Self::Yes(port, receipt).give(meters);
            }
            Self::Yes(port, receipt) => {
                // Also a repetition within the turn: it is answered for the first one's events.
                let stored = receipt.events > 0;
                let failure = if stored { why.of_events() } else { why.of_answer() };
                meters.refused(&failure);
                port.answer(Err(failure.into()));
            }
            Self::No(port, _) => {
                meters.refused(&why.of_answer());
                port.answer(Err(why.of_answer().into()));
            }
            Self::Query(port) | Self::NoQuery(port, _) => port.answer(Err(why.of_answer())),
        }
    }
}

impl NotStored {
    /// What a caller hears whose events were in the append.
    fn of_events(&self) -> Failure {
        match self {
            Self::Perhaps(failure) => Failure::Indeterminate(failure.to_string()),
            _ => self.of_answer(),
        }
    }

    /// What a caller hears who was to write nothing, but whose answer rested on the append.
    fn of_answer(&self) -> Failure {
        match self {
            Self::Perhaps(failure) | Self::Poisoned(failure) => Failure::Poisoned(failure.clone()),
            Self::Conflict(_) => Failure::undone(),
            Self::Stopped => Failure::shutting_down(),
        }
    }
}

/// An append in flight.
pub(crate) struct PendingAppend<A: Aggregate> {
    busy: Busy<A>,
    base: Version,
    held: Vec<Held<A>>,
    snapshot_due: bool,
    /// That there was nothing before it was only believed, so that it may be refused.
    is_believed: bool,
    sent: Instant,
}

impl<A: Aggregate> PendingAppend<A> {
    /// A flight with these answers, sent off at `sent`, of the events behind `base`.
    pub(crate) fn new(busy: Busy<A>, base: Version, held: Vec<Held<A>>, sent: Instant) -> Self {
        Self { busy, base, held, snapshot_due: false, is_believed: false, sent }
    }

    /// Lets the actor hear of its end, because a snapshot is due then.
    pub(crate) fn with_snapshot_due(mut self, due: bool) -> Self {
        self.snapshot_due = due;
        self
    }

    /// Says whether it was only believed that there was nothing before it.
    pub(crate) fn with_belief(mut self, is_believed: bool) -> Self {
        self.is_believed = is_believed;
        self
    }
}

impl<A: Aggregate> Waiter for PendingAppend<A> {
    /// Answers first, in order, and ends the turn last: no later turn can overtake an answer.
    fn landed(self: Box<Self>, outcome: Result<Position, NotStored>) {
        let Self { busy, base, held, snapshot_due, is_believed, sent } = *self;
        let meters = &busy.activation().hosted.meters;
        meters.flown(sent.elapsed());
        let landing = match &outcome {
            Ok(first) => Landing::Stored { base, first: *first, snapshot_due },
            Err(NotStored::Conflict(_)) if is_believed => Landing::Failed,
            Err(why) => {
                report(&busy.activation().slot.stream, why);
                Landing::Failed
            }
        };
        for Held { answer, permit } in held {
            // First, so that a caller who has its answer has also left the runtime.
            drop(permit);
            match &outcome {
                Ok(first) => answer.give_landed(base, *first, meters),
                Err(why) => answer.withdraw(base, why, meters),
            }
        }
        busy.end(landing);
    }
}

/// A conflict here means that somebody else wrote to the stream, or a bug: worth an alarm. A failed
/// store has raised its own.
fn report(stream: &StreamId, why: &NotStored) {
    if let NotStored::Conflict(conflict) = why {
        tracing::error!(target: "actuarius::aggregate", %stream, %conflict, "append refused");
    }
}
