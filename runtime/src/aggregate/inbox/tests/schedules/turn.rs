//! A model of a turn: it decides requests as `Turn` does, and sends one append with the replies that wait for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{Position, Version};

use super::actor::Guards;
use super::callers::{Book, Ticket};
use super::once_in;
use super::store::Append;
use super::world::{World, quarantine_of};
use crate::aggregate::activation::Activation;
use crate::aggregate::inbox::TurnOutcome;
use crate::aggregate::incarnation::Incarnation;
use crate::aggregate::pending_append::{HeldReply, PendingAppend, Prepared};
use crate::aggregate::request::{Operation, Port, QueryPort, Request, RequestKind};
use crate::base::error::{Failure, Quarantine, QuarantineReason};
use crate::base::panics::Contained;
use crate::base::receipt::Receipt;

pub(super) struct Turn<'a> {
    world: &'a Arc<World>,
    activation: &'a Arc<Activation<Book>>,
    guards: Guards,
    incarnation: &'a mut Incarnation<Book>,
    base: Version,
    tickets: Vec<Ticket>,
    held: Vec<HeldReply<Book>>,
    quarantine: Option<Arc<Quarantine>>,
}

#[derive(PartialEq)]
pub(super) enum TurnEnd {
    Usable,
    Quarantined,
    /// The actor fails, with the requests that it has taken.
    Failed,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        world: &'a Arc<World>,
        activation: &'a Arc<Activation<Book>>,
        guards: Guards,
        incarnation: &'a mut Incarnation<Book>,
    ) -> Self {
        let (base, tickets, held) = (incarnation.version, Vec::new(), Vec::new());
        Self { world, activation, guards, incarnation, base, tickets, held, quarantine: None }
    }

    pub(super) fn run(mut self, mut requests: VecDeque<Request<Book>>) -> TurnEnd {
        let taken: Vec<_> = requests.iter().filter_map(ticket).collect();
        while let Some(request) = requests.pop_front() {
            if self.world.actor_fails() {
                self.world.store.held_by_failed_actor(taken);
                return TurnEnd::Failed;
            }
            self.process(request);
            let is_assumed = !self.incarnation.certainty.is_known();
            let is_full = once_in(4);
            if (is_full || is_assumed) && !requests.is_empty() {
                self.activation.put_back(requests);
                break;
            }
        }
        self.end()
    }

    fn process(&mut self, request: Request<Book>) {
        if request.is_abandoned() {
            return;
        }
        let Request { kind, permit, .. } = request;
        let reply = match kind {
            RequestKind::Query(port) => self.query(port),
            RequestKind::Execute { operation: Operation::Decide(ticket), port, .. } => {
                self.decide(ticket.take(), port)
            }
            RequestKind::Execute { .. } => unreachable!("no caller deletes the aggregate"),
        };
        if self.tickets.is_empty() {
            drop(permit);
            reply.send(&self.world.hosted.meters);
        } else {
            self.held.push(HeldReply { reply, permit });
        }
    }

    fn query(&self, mut port: Box<dyn QueryPort<Book>>) -> Prepared<Book> {
        if let Some(why) = &self.quarantine {
            return Prepared::QueryRefused(port, Failure::Quarantined(why.clone()));
        }
        assert!(
            self.incarnation.certainty.is_known(),
            "a query reads a state that is only assumed"
        );
        port.read(&self.incarnation.state);
        Prepared::Queried(port)
    }

    fn decide(&mut self, ticket: Ticket, port: Port<Book>) -> Prepared<Book> {
        if ticket.has_event && self.quarantine.is_none() && once_in(25) {
            self.quarantine = Some(self.quarantine());
        }
        if let Some(why) = &self.quarantine {
            return Prepared::Refused(
                port,
                Contained::new(Failure::Quarantined(why.clone()).into()),
            );
        }
        if !self.incarnation.certainty.allows_reply(ticket.has_event) {
            return Prepared::Refused(port, Contained::new(Failure::undone().into()));
        }
        if ticket.has_event {
            self.incarnation.version = self.incarnation.version.next();
            self.tickets.push(ticket);
        }
        let version = self.incarnation.version;
        let (position, events) = (Position::new(version.get()), u64::from(ticket.has_event));
        let command_id = format!("{ticket:?}").as_str().into();
        let receipt = Receipt { version, position, events, command_id, repeated: false };
        Prepared::Accepted(port, receipt)
    }

    /// Puts the aggregate out of service, as after a panic of `apply`.
    fn quarantine(&self) -> Arc<Quarantine> {
        let reason = QuarantineReason::ApplyPanicked("a panic".to_owned());
        self.activation.quarantine(quarantine_of(&self.activation.slot, reason))
    }

    fn end(self) -> TurnEnd {
        let Guards { running, guard } = self.guards;
        if self.tickets.is_empty() {
            drop(running);
            guard.end(TurnOutcome::Nothing);
        } else {
            let is_assumed_new = !self.incarnation.certainty.is_known();
            let pending = PendingAppend::new(guard, self.base, self.held, Instant::now());
            let pending = pending.with_snapshot_due(once_in(4)).with_assumed_new(is_assumed_new);
            let (stream, base) = (self.activation.slot.stream.clone(), self.base);
            let (tickets, waiter) = (self.tickets, Box::new(pending));
            self.world.commit(Append { stream, base, tickets, is_assumed_new, running, waiter });
        }
        if self.quarantine.is_some() { TurnEnd::Quarantined } else { TurnEnd::Usable }
    }
}

/// Returns the ticket of a request.
fn ticket(request: &Request<Book>) -> Option<Ticket> {
    match &request.kind {
        RequestKind::Execute { operation: Operation::Decide(ticket), .. } => Some(**ticket),
        _ => None,
    }
}
