//! [`PendingAppend`]: an append in flight to the committer, with the replies that wait for it.

use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Aggregate, Position, StreamId, Version};

use super::activation::Activation;
use super::inbox::TurnOutcome;
use super::request::{Port, QueryPort};
use crate::base::error::{ExecuteError, Failure};
use crate::base::panics::{Contained, guarded};
use crate::base::receipt::Receipt;
use crate::base::telemetry::Meters;
use crate::commit::admission::Permit;
use crate::commit::committer::{NotStored, Waiter};

/// Marks a running turn. However the turn ends, by reply, panic or a lost thread, dropping the guard
/// notifies the slot, so an aggregate can never hang.
pub(crate) struct TurnGuard<A: Aggregate> {
    activation: Arc<Activation<A>>,
    outcome: TurnOutcome,
}

impl<A: Aggregate> TurnGuard<A> {
    pub(crate) fn new(activation: Arc<Activation<A>>) -> Self {
        Self { activation, outcome: TurnOutcome::Failed }
    }

    pub(crate) fn activation(&self) -> &Arc<Activation<A>> {
        &self.activation
    }

    pub(crate) fn end(mut self, outcome: TurnOutcome) {
        self.outcome = outcome;
    }
}

impl<A: Aggregate> Drop for TurnGuard<A> {
    fn drop(&mut self) {
        if let Some(epoch) = self.activation.slot.end_turn(self.outcome) {
            self.activation.start_next(epoch);
        }
    }
}

/// A reply that is decided and not yet sent.
pub(crate) enum Prepared<A: Aggregate> {
    /// The receipt. If its events are in this append, their position is set once it is stored.
    Accepted(Port<A>, Receipt),
    /// The error is contained, because it is the user's and a held reply may be dropped anywhere.
    Refused(Port<A>, Contained<ExecuteError<A::Error>>),
    Queried(Box<dyn QueryPort<A>>),
    QueryRefused(Box<dyn QueryPort<A>>, Failure),
}

/// A reply that waits for an append, with the permit of its request.
pub(crate) struct HeldReply<A: Aggregate> {
    pub(crate) reply: Prepared<A>,
    pub(crate) permit: Permit,
}

impl<A: Aggregate> Prepared<A> {
    /// Sends the reply as it is: everything it depends on is durable.
    pub(crate) fn send(self, meters: &Meters) {
        match self {
            Self::Accepted(port, receipt) => {
                meters.accepted(&receipt);
                port.answer(Ok(receipt));
            }
            Self::Refused(port, error) => {
                meters.refused_command(&error);
                port.answer(Err(error.take()));
            }
            Self::Queried(port) => {
                meters.queried();
                port.answer(Ok(()));
            }
            Self::QueryRefused(port, failure) => port.answer(Err(failure)),
        }
    }

    /// Sends the reply now that the event after version `base` has the position `first`.
    fn send_stored(mut self, base: Version, first: Position, meters: &Meters) {
        if let Self::Accepted(_, receipt) = &mut self
            && receipt.version > base
        {
            receipt.position = first.plus(receipt.version.get() - base.get() - 1);
        }
        self.send(meters);
    }

    /// Sends the failure instead of the reply, because the events that it depends on are not durable.
    fn send_not_stored(self, base: Version, why: &NotStored, meters: &Meters) {
        match self {
            // A repeated command whose first receipt is older than this append is still valid. A
            // value is not: it was computed from the state that is discarded.
            Self::Accepted(port @ Port::Receipt(_), receipt) if receipt.version <= base => {
                Self::Accepted(port, receipt).send(meters);
            }
            Self::Accepted(port, receipt) => {
                // Includes a repetition within the turn, whose receipt names the same events.
                let stored = receipt.events > 0;
                let failure =
                    if stored { why.failure_for_events() } else { why.failure_for_reply() };
                meters.refused(&failure);
                port.answer(Err(failure.into()));
            }
            Self::Refused(port, _) => {
                meters.refused(&why.failure_for_reply());
                port.answer(Err(why.failure_for_reply().into()));
            }
            Self::Queried(port) | Self::QueryRefused(port, _) => {
                port.answer(Err(why.failure_for_reply()));
            }
        }
    }
}

impl NotStored {
    /// Returns the failure for a command whose events were in the append.
    fn failure_for_events(&self) -> Failure {
        match self {
            Self::Perhaps(failure) => Failure::Indeterminate(failure.to_string()),
            _ => self.failure_for_reply(),
        }
    }

    /// Returns the failure for a request that wrote nothing, but whose reply depends on the append.
    fn failure_for_reply(&self) -> Failure {
        match self {
            Self::Perhaps(failure) | Self::Poisoned(failure) => Failure::Poisoned(failure.clone()),
            Self::Unreadable(error) => Failure::Unreadable(error.clone()),
            Self::Conflict(_) => Failure::undone(),
            Self::Stopped => Failure::shutting_down(),
        }
    }
}

/// An append in flight.
pub(crate) struct PendingAppend<A: Aggregate> {
    guard: TurnGuard<A>,
    base: Version,
    held: Vec<HeldReply<A>>,
    snapshot_due: bool,
    /// It was only assumed that the stream is empty, so the store may refuse the append.
    is_assumed_new: bool,
    sent: Instant,
}

impl<A: Aggregate> PendingAppend<A> {
    /// An append of the events after version `base`, sent at `sent`, with its replies.
    pub(crate) fn new(
        guard: TurnGuard<A>,
        base: Version,
        held: Vec<HeldReply<A>>,
        sent: Instant,
    ) -> Self {
        Self { guard, base, held, snapshot_due: false, is_assumed_new: false, sent }
    }

    /// Wakes the actor when the append is stored, because a snapshot is due then.
    pub(crate) fn with_snapshot_due(mut self, due: bool) -> Self {
        self.snapshot_due = due;
        self
    }

    /// Sets whether it was only assumed that the stream is empty.
    pub(crate) fn with_assumed_new(mut self, is_assumed_new: bool) -> Self {
        self.is_assumed_new = is_assumed_new;
        self
    }
}

impl<A: Aggregate> Waiter for PendingAppend<A> {
    /// Replies first, in order, and ends the turn last: no later turn can overtake a reply.
    fn complete(self: Box<Self>, outcome: Result<Position, NotStored>) {
        let Self { guard, base, held, snapshot_due, is_assumed_new, sent } = *self;
        let (meters, took) = (&guard.activation().hosted.meters, sent.elapsed());
        let turn_outcome = match &outcome {
            Ok(first) => TurnOutcome::Stored { base, first: *first, snapshot_due },
            Err(NotStored::Conflict(_)) if is_assumed_new => TurnOutcome::Failed,
            Err(why) => {
                report(&guard.activation().slot.stream, why);
                TurnOutcome::Failed
            }
        };
        for HeldReply { reply, permit } in held {
            // First, so that a caller that has its reply is no longer counted as inside.
            drop(permit);
            // A value that the caller no longer takes is dropped here, and its destructor may panic. The other
            // replies are still sent.
            let _ = guarded(|| match &outcome {
                Ok(first) => reply.send_stored(base, *first, meters),
                Err(why) => reply.send_not_stored(base, why, meters),
            });
        }
        let _ = guarded(|| meters.committed_append(took));
        guard.end(turn_outcome);
    }
}

/// Logs a conflict, which means that another writer wrote to the stream, or a bug. A failed store is
/// logged by the committer.
fn report(stream: &StreamId, why: &NotStored) {
    if let NotStored::Conflict(conflict) = why {
        tracing::error!(target: "actuarius::aggregate", %stream, %conflict, "append refused");
    }
}
