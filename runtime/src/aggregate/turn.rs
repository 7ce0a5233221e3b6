//! One turn of an aggregate: everything that waited is decided, command after command, on state
//! that runs ahead of the disk, and goes to the committer as one append with its answers.
//!
//! Whatever could reveal that state (receipts, returned values, queries, and also rejections) is
//! held back behind the first event of the turn, in order, and leaves when the append is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{
    Aggregate, CommandId, Context, Expected, Metadata, Position, Timestamp, Version,
};
use actuarius_persistence::keys::{Keys, Subjects};
use actuarius_persistence::{Append, CodecError, Deletion, NewCommit};
use uuid::Uuid;

use super::activation::Activation;
use super::dedup_window::Remembered;
use super::inbox::Landing;
use super::incarnation::{Certainty, FOR_GOOD, Incarnation};
use super::pending_append::{Busy, Held, PendingAppend, Prepared};
use super::request::{Ask, Options, Order, Port, QueryPort, Request};
use crate::base::error::{ExecuteError, Failure, Place, Quarantine, QuarantineReason};
use crate::base::panics::guarded;
use crate::base::receipt::Receipt;

/// How many bytes of events one turn gathers: about what the store syncs at once, so that a hot
/// aggregate fills a group without making the others wait for a second one.
const TURN_BYTES: usize = 192 * 1024;

pub(crate) struct Turn<'a, A: Aggregate> {
    busy: Busy<A>,
    incarnation: &'a mut Incarnation<A>,
    append: Append,
    held: Vec<Held<A>>,
    started: Instant,
    now: Timestamp,
    clock: Timestamp,
    quarantine: Option<Arc<Quarantine>>,
}

/// What a turn leaves behind.
pub(crate) enum TurnEnd {
    Usable,
    Quarantined,
}

/// What a command came to, before its answer is due.
enum Verdict<A: Aggregate> {
    /// Its events are in the append.
    Stored {
        events: u64,
    },
    /// It had no events.
    Empty,
    /// It had been carried out before.
    Repeated(Remembered),
    No(ExecuteError<A::Error>),
}

impl<'a, A: Aggregate> Turn<'a, A> {
    pub(crate) fn begin(
        busy: Busy<A>,
        incarnation: &'a mut Incarnation<A>,
        started: Instant,
    ) -> Self {
        let append = Append::new(busy.activation().slot.stream.clone(), incarnation.version);
        let clock = busy.activation().hosted.engine.clock.now();
        // Its history never goes back in time, whatever the clock does.
        let now = incarnation.time.map_or(clock, |last| clock.max(last));
        Self { busy, incarnation, append, held: Vec::new(), started, now, clock, quarantine: None }
    }

    pub(crate) fn run(mut self, mut requests: VecDeque<Request<A>>) -> TurnEnd {
        self.held.reserve(requests.len());
        while let Some(request) = requests.pop_front() {
            self.take(request);
            let is_full = self.append.bytes() >= TURN_BYTES;
            // What is only believed is for the first request alone.
            let is_alone = self.incarnation.certainty != Certainty::Known;
            if (is_full || is_alone) && !requests.is_empty() {
                self.busy.activation().slot.put_back(requests);
                break;
            }
        }
        self.end()
    }

    fn take(&mut self, request: Request<A>) {
        let meters = &self.busy.activation().hosted.meters;
        if request.is_abandoned() {
            // Nobody waits any more, so deciding would only take time from those who do.
            return meters.abandoned();
        }
        meters.queued(self.started.saturating_duration_since(request.queued));
        let Request { ask, permit, .. } = request;
        let answer = match ask {
            Ask::Execute { order, options, port } => self.execute(order, options, port),
            Ask::Query(port) => self.query(port),
        };
        if self.append.is_empty() {
            drop(permit);
            answer.give(&self.busy.activation().hosted.meters);
        } else {
            self.held.push(Held { answer, permit });
        }
    }

    fn query(&self, mut port: Box<dyn QueryPort<A>>) -> Prepared<A> {
        if let Some(why) = &self.quarantine {
            return Prepared::NoQuery(port, Failure::Quarantined(why.clone()));
        }
        port.look(&self.incarnation.state);
        Prepared::Query(port)
    }

    fn execute(&mut self, order: Order<A>, options: Options, mut port: Port<A>) -> Prepared<A> {
        let Options { command_id, expected, metadata, .. } = options;
        let id = command_id.unwrap_or_else(|| Uuid::now_v7().into());
        let verdict = match self.objection(command_id, expected) {
            Some(verdict) => verdict,
            None => self.carry_out(order, id, command_id.is_some(), metadata),
        };
        let verdict = self.proven(verdict);
        if !matches!(verdict, Verdict::No(_)) {
            port.look(&self.incarnation.state);
        }
        self.prepare(verdict, id, port)
    }

    /// What rests on a state that is only believed must have events, which the store takes or refuses.
    fn proven(&mut self, verdict: Verdict<A>) -> Verdict<A> {
        match (self.incarnation.certainty, &verdict) {
            (Certainty::Known, _) | (_, Verdict::Stored { .. }) => verdict,
            _ => {
                self.incarnation.certainty = Certainty::Unproven;
                Verdict::No(Failure::undone().into())
            }
        }
    }

    /// What speaks against deciding at all.
    fn objection(&self, id: Option<CommandId>, expected: Expected) -> Option<Verdict<A>> {
        if let Some(why) = &self.quarantine {
            return Some(Verdict::No(Failure::Quarantined(why.clone()).into()));
        }
        if let Some(before) = id.and_then(|id| self.incarnation.window.find(id)) {
            return Some(Verdict::Repeated(before));
        }
        match expected {
            Expected::Exactly(expected) if expected != self.incarnation.version => {
                let actual = self.incarnation.version;
                Some(Verdict::No(Failure::Conflict { expected, actual }.into()))
            }
            _ => None,
        }
    }

    fn carry_out(
        &mut self,
        order: Order<A>,
        id: CommandId,
        named: bool,
        metadata: Option<Box<Metadata>>,
    ) -> Verdict<A> {
        let stream = self.append.stream().shared_id().clone();
        let context = Context::new(stream, self.incarnation.version, self.now, id);
        let mut context = context.with_clock(self.clock);
        if let Some(metadata) = metadata {
            context = context.with_metadata(*metadata);
        }
        match order {
            Order::Decide(command) => self.decide(command, named, &context),
            Order::Delete(deletion) => self.delete(deletion, named, &context),
        }
    }

    fn decide(&mut self, command: A::Command, named: bool, context: &Context) -> Verdict<A> {
        if self.incarnation.ended == Some(FOR_GOOD) {
            return Verdict::No(Failure::Deleted.into());
        }
        match self.busy.activation().hosted.engine.keyring.keys().cloned() {
            None => self.decide_and_store(command, named, context),
            Some(keys) => {
                self.decide_with(&keys, |turn| turn.decide_and_store(command, named, context))
            }
        }
    }

    /// Decides with keys at hand, and notes whose clear text may be in the state from then on.
    fn decide_with(
        &mut self,
        keys: &Arc<Keys>,
        decide: impl FnOnce(&mut Self) -> Verdict<A>,
    ) -> Verdict<A> {
        let (mut subjects, forgotten) = (Subjects::default(), keys.forgotten());
        let verdict = Keys::collecting(Some(keys), &mut subjects, || keys.within(|| decide(self)));
        if !subjects.is_empty() {
            self.incarnation.subjects.add_all(&subjects);
            let Activation { hosted, slot, .. } = &**self.busy.activation();
            hosted.holds(slot, &self.incarnation.subjects, forgotten);
        }
        verdict
    }

    fn decide_and_store(
        &mut self,
        command: A::Command,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        let state = &self.incarnation.state;
        match guarded(|| state.decide(command, context)) {
            Err(message) => Verdict::No(Failure::Panicked { place: Place::Decide, message }.into()),
            Ok(Err(rejection)) => Verdict::No(ExecuteError::Rejected(rejection)),
            Ok(Ok(events)) if events.is_empty() => Verdict::Empty,
            Ok(Ok(events)) => self.store(&events, named, context),
        }
    }

    /// Ends the stream, if it is not at its end already.
    fn delete(&mut self, deletion: Deletion, named: bool, context: &Context) -> Verdict<A> {
        let ended = self.incarnation.ended;
        if self.incarnation.version == Version::NONE
            || ended == Some(FOR_GOOD)
            || ended == Some(deletion)
        {
            return Verdict::Empty;
        }
        if let Err(error) = self.append.push_deletion(self.commit(named, context), deletion) {
            return Verdict::No(Failure::Unstorable(error).into());
        }
        self.incarnation.end(deletion);
        self.incarnation.version = self.incarnation.version.next();
        self.incarnation.time = Some(self.now);
        self.remember(context.command_id(), named, 1);
        Verdict::Stored { events: 1 }
    }

    fn commit<'c>(&self, named: bool, context: &'c Context) -> NewCommit<'c> {
        NewCommit {
            time: self.now,
            command_id: context.command_id(),
            named_by_caller: named,
            metadata: context.metadata(),
        }
    }

    /// Encodes the events into the append and applies them.
    fn store(&mut self, events: &[A::Event], named: bool, context: &Context) -> Verdict<A> {
        let commit = self.commit(named, context);
        let codec = self.busy.activation().hosted.hosting.codec;
        let pushed = guarded(|| self.append.push(commit, codec, events, A::schema_version));
        if let Err(error) = pushed.unwrap_or_else(|panic| Err(CodecError::Encode(panic))) {
            self.append.drop_half_written();
            return Verdict::No(Failure::Unstorable(error).into());
        }
        for event in events {
            let state = &mut self.incarnation.state;
            if let Err(message) = guarded(|| state.apply(event)) {
                self.append.drop_last();
                return self.break_off(message);
            }
            self.incarnation.version = self.incarnation.version.next();
        }
        self.incarnation.time = Some(self.now);
        self.incarnation.ended = None;
        self.remember(context.command_id(), named, events.len() as u64);
        Verdict::Stored { events: events.len() as u64 }
    }

    fn remember(&mut self, id: CommandId, named: bool, events: u64) {
        if named {
            let version = self.incarnation.version;
            let position = Position::NONE;
            let capacity = self.busy.activation().hosted.hosting.remembered_commands;
            let command = Remembered { id, version, events, position };
            self.incarnation.window.remember(command, capacity);
        }
    }

    /// `apply` panicked, so the state is half changed: what was stored before stays, nothing more
    /// is decided on it.
    fn break_off(&mut self, message: String) -> Verdict<A> {
        let slot = self.busy.activation().slot.clone();
        let why = Quarantine {
            aggregate: A::TYPE,
            id: slot.stream.shared_id().clone(),
            version: self.incarnation.version.next(),
            position: None,
            reason: QuarantineReason::ApplyPanicked(message),
        };
        let why = self.busy.activation().hosted.quarantine(&slot, why);
        self.quarantine = Some(why.clone());
        Verdict::No(Failure::Quarantined(why).into())
    }

    fn prepare(&self, verdict: Verdict<A>, command_id: CommandId, port: Port<A>) -> Prepared<A> {
        let version = self.incarnation.version;
        let receipt = |version: Version, events, repeated, position| Receipt {
            version,
            position,
            events,
            command_id,
            repeated,
        };
        let known = self.incarnation.position;
        let none = Position::NONE;
        match verdict {
            Verdict::No(error) => Prepared::No(port, error),
            Verdict::Stored { events } => {
                Prepared::Yes(port, receipt(version, events, false, none))
            }
            // Behind events of this turn its position is theirs, and comes with them.
            Verdict::Empty if !self.append.is_empty() => {
                Prepared::Yes(port, receipt(version, 0, false, none))
            }
            Verdict::Empty => Prepared::Yes(port, receipt(version, 0, false, known)),
            Verdict::Repeated(first) => {
                Prepared::Yes(port, receipt(first.version, first.events, true, first.position))
            }
        }
    }

    fn end(self) -> TurnEnd {
        let Self { busy, incarnation, append, held, started, quarantine, .. } = self;
        let (hosted, slot) = (busy.activation().hosted.clone(), busy.activation().slot.clone());
        let ended = Instant::now();
        hosted.meters.decided(ended.saturating_duration_since(started));
        if append.is_empty() {
            busy.end(Landing::Nothing);
        } else {
            let snapshot_due = incarnation.is_snapshot_due(&hosted.hosting);
            let flight = PendingAppend::new(busy, append.expected(), held, ended);
            let is_believed = incarnation.certainty == Certainty::Believed;
            let flight = flight.with_snapshot_due(snapshot_due).with_belief(is_believed);
            hosted.engine.committer.append(append, Box::new(flight));
        }
        match quarantine {
            Some(_) => {
                hosted.left(&slot);
                TurnEnd::Quarantined
            }
            None => TurnEnd::Usable,
        }
    }
}
