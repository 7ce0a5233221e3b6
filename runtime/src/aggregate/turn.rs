//! [`Turn`]: decides all waiting requests of an aggregate, command after command, on a state that is ahead
//! of the disk, and sends their events to the committer as one append.
//!
//! Every reply that could reveal that state (receipts, returned values, queries and also rejections) is
//! held from the first event of the turn on, in order, and is sent when the append is durable.

mod derived;
mod ending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use actuarius_domain::{
    Aggregate, CommandId, Context, Expected, Metadata, Position, Timestamp, Version,
};
use actuarius_persistence::personal::{Sealer, Subjects, collecting, within};
use actuarius_persistence::{Append, CodecError, NewCommit};

use super::activation::Activation;
use super::command_ids::new_command_id;
use super::dedup_window::Remembered;
use super::hosted_type::HostedType;
use super::inbox::TurnOutcome;
use super::incarnation::{Incarnation, PERMANENT};
use super::pending_append::{HeldReply, PendingAppend, Prepared, TurnGuard};
use super::request::{Operation, Options, Port, QueryPort, Request, RequestKind};
use crate::base::error::{ExecuteError, Failure, Place, Quarantine, QuarantineReason};
use crate::base::panics::{Contained, discard, guarded};
use crate::base::receipt::Receipt;
use crate::schema::recording::NewShapes;

/// After how many bytes of events a turn ends: about what the store syncs at once, so that a hot
/// aggregate fills a group without making other aggregates wait for a second one.
const TURN_BYTES: usize = 192 * 1024;

pub(crate) struct Turn<'a, A: Aggregate> {
    guard: TurnGuard<A>,
    incarnation: &'a mut Incarnation<A>,
    append: Append,
    held: Vec<HeldReply<A>>,
    started: Instant,
    now: Timestamp,
    clock: Timestamp,
    quarantine: Option<Arc<Quarantine>>,
}

/// Whether the incarnation can be used after a turn.
pub(crate) enum TurnEnd {
    Usable,
    Quarantined,
}

/// The result of a command, from which its reply is prepared.
enum Verdict<A: Aggregate> {
    /// Its events, this many, are in the append.
    Stored {
        events: u64,
    },
    /// It had no events.
    Empty,
    /// A command with its id was carried out before.
    Repeated(Remembered),
    Refused(ExecuteError<A::Error>),
}

impl<'a, A: Aggregate> Turn<'a, A> {
    pub(crate) fn begin(
        guard: TurnGuard<A>,
        incarnation: &'a mut Incarnation<A>,
        started: Instant,
        clock: Timestamp,
    ) -> Self {
        let append = Append::new(guard.activation().slot.stream.clone(), incarnation.version);
        // The history of an aggregate never goes back in time, even if the clock does.
        let now = incarnation.time.map_or(clock, |last| clock.max(last));
        let quarantine = incarnation.unreadable.clone();
        Self { guard, incarnation, append, held: Vec::new(), started, now, clock, quarantine }
    }

    pub(crate) fn run(mut self, mut requests: VecDeque<Request<A>>) -> TurnEnd {
        self.held.reserve(requests.len());
        while let Some(request) = requests.pop_front() {
            self.process(request);
            let is_full = self.append.bytes() >= TURN_BYTES;
            // An assumed state may serve the first request only.
            let is_assumed = !self.incarnation.certainty.is_known();
            if (is_full || is_assumed) && !requests.is_empty() {
                self.guard.activation().put_back(requests);
                break;
            }
        }
        self.end()
    }

    fn hosted(&self) -> &HostedType<A> {
        &self.guard.activation().hosted
    }

    fn process(&mut self, request: Request<A>) {
        let meters = &self.hosted().meters;
        // If the caller no longer waits, deciding would only delay the other callers.
        if request.is_abandoned() {
            return meters.abandoned();
        }
        meters.queued(self.started.saturating_duration_since(request.queued));
        let Request { kind, permit, .. } = request;
        let reply = match kind {
            RequestKind::Execute { operation, options, port } => {
                self.execute(operation, options, port)
            }
            RequestKind::Query(port) => self.query(port),
        };
        if self.append.is_empty() {
            drop(permit);
            reply.send(&self.hosted().meters);
        } else {
            self.held.push(HeldReply { reply, permit });
        }
    }

    fn query(&self, mut port: Box<dyn QueryPort<A>>) -> Prepared<A> {
        if let Some(why) = &self.quarantine {
            return Prepared::QueryRefused(port, Failure::Quarantined(why.clone()));
        }
        port.read(&self.incarnation.state);
        Prepared::Queried(port)
    }

    fn execute(
        &mut self,
        operation: Operation<A>,
        options: Options,
        mut port: Port<A>,
    ) -> Prepared<A> {
        let Options { command_id, expected, metadata, .. } = options;
        let id = command_id.unwrap_or_else(|| new_command_id(self.clock));
        let ends = matches!(operation, Operation::Delete(_));
        let verdict = match self.precheck(ends, command_id, expected) {
            Some(verdict) => verdict,
            None => self.run_operation(operation, id, command_id.is_some(), metadata),
        };
        if matches!(verdict, Verdict::Stored { .. }) {
            self.arm_timers();
        }
        let verdict = self.require_events_if_assumed(verdict);
        if !matches!(verdict, Verdict::Refused(_)) {
            port.read(&self.incarnation.state);
        }
        self.prepare(verdict, id, port)
    }

    /// Refuses a command without events if the state is only assumed: only events, which the store
    /// accepts or refuses, prove the assumption.
    fn require_events_if_assumed(&mut self, verdict: Verdict<A>) -> Verdict<A> {
        let has_events = matches!(verdict, Verdict::Stored { .. });
        match self.incarnation.certainty.allows_reply(has_events) {
            true => verdict,
            false => Verdict::Refused(Failure::undone().into()),
        }
    }

    /// Returns the result of a command that needs no decision.
    fn precheck(
        &self,
        ends: bool,
        id: Option<CommandId>,
        expected: Expected,
    ) -> Option<Verdict<A>> {
        // To end a stream that cannot be read, no state is needed.
        let needs_state = !ends || self.incarnation.unreadable.is_none();
        if let Some(why) = self.quarantine.as_ref().filter(|_| needs_state) {
            return Some(Verdict::Refused(Failure::Quarantined(why.clone()).into()));
        }
        if let Some(before) = id.and_then(|id| self.incarnation.window.find(id)) {
            return Some(Verdict::Repeated(before));
        }
        match expected {
            Expected::Exactly(expected) if expected != self.incarnation.version => {
                let actual = self.incarnation.version;
                Some(Verdict::Refused(Failure::Conflict { expected, actual }.into()))
            }
            _ => None,
        }
    }

    fn run_operation(
        &mut self,
        operation: Operation<A>,
        id: CommandId,
        named: bool,
        metadata: Option<Box<Metadata>>,
    ) -> Verdict<A> {
        let stream = self.append.stream().shared_id().clone();
        let mut context =
            Context::new(stream, self.incarnation.version, self.now, id).with_clock(self.clock);
        if let Some(metadata) = metadata {
            context = context.with_metadata(*metadata);
        }
        match operation {
            Operation::Decide(command) => self.decide(command.take(), named, &context),
            Operation::Derive(derive) => self.derive(derive, named, &context),
            Operation::Delete(deletion) => self.delete(deletion, named, &context),
        }
    }

    fn decide(&mut self, command: A::Command, named: bool, context: &Context) -> Verdict<A> {
        if self.incarnation.ended == Some(PERMANENT) {
            discard(command);
            return Verdict::Refused(Failure::Deleted.into());
        }
        match self.hosted().engine.keyring.sealer().cloned() {
            None => self.decide_and_store(command, named, context),
            Some(keys) => {
                self.decide_with(&keys, |it| it.decide_and_store(command, named, context))
            }
        }
    }

    /// Decides with keys available, and records the subjects whose clear text the state may hold from
    /// then on.
    fn decide_with(
        &mut self,
        keys: &Arc<dyn Sealer>,
        decide: impl FnOnce(&mut Self) -> Verdict<A>,
    ) -> Verdict<A> {
        let (mut subjects, forgotten) = (Subjects::default(), keys.forgotten());
        let verdict = collecting(Some(keys), &mut subjects, || within(Some(keys), || decide(self)));
        if !subjects.is_empty() {
            self.incarnation.subjects.add_all(&subjects);
            let Activation { hosted, slot, .. } = &**self.guard.activation();
            hosted.set_subjects(slot, &self.incarnation.subjects, forgotten);
        }
        verdict
    }

    fn decide_and_store(
        &mut self,
        command: A::Command,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        let state = &*self.incarnation.state;
        match guarded(|| state.decide(command, context)) {
            Err(message) => {
                Verdict::Refused(Failure::Panicked { place: Place::Decide, message }.into())
            }
            Ok(Err(rejection)) => Verdict::Refused(ExecuteError::Rejected(rejection)),
            Ok(Ok(events)) if events.is_empty() => Verdict::Empty,
            Ok(Ok(events)) => self.append_events(events, named, context),
        }
    }

    fn commit<'c>(&self, named: bool, context: &'c Context) -> NewCommit<'c> {
        NewCommit {
            time: self.now,
            command_id: context.command_id(),
            named_by_caller: named,
            metadata: context.metadata(),
        }
    }

    /// Encodes the events into the append, and applies what their bytes decode to, as every later reader
    /// sees it, to the state.
    fn append_events(
        &mut self,
        mut events: Vec<A::Event>,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        let verdict = match self.encode_events(&mut events, named, context) {
            Ok(shapes) => self.apply_events(&events, shapes, named, context),
            Err(error) => {
                self.append.drop_half_written();
                Verdict::Refused(Failure::Unstorable(error).into())
            }
        };
        discard(events);
        verdict
    }

    fn encode_events(
        &mut self,
        events: &mut [A::Event],
        named: bool,
        context: &Context,
    ) -> Result<NewShapes, CodecError> {
        let commit = self.commit(named, context);
        let HostedType { engine, hosting, event_shapes, .. } = &*self.guard.activation().hosted;
        let (codec, writing) = (hosting.codec, event_shapes.writing::<A>(hosting.codec));
        let schema_version = |name: &str| writing.schema_version(name);
        let pushed = guarded(|| match hosting.is_codec_trusted {
            true => self.append.push(commit, codec, events, schema_version),
            false => self.append.push_checked(commit, codec, events, schema_version),
        });
        pushed.unwrap_or_else(|panic| Err(CodecError::Encode(panic)))?;
        let checked = guarded(|| writing.check(&engine.shapes));
        let checked = checked.unwrap_or_else(|panic| Err(CodecError::Encode(panic)));
        checked.inspect_err(|_| self.append.drop_last())
    }

    fn apply_events(
        &mut self,
        events: &[A::Event],
        shapes: NewShapes,
        named: bool,
        context: &Context,
    ) -> Verdict<A> {
        for event in events {
            let state = &mut self.incarnation.state;
            if let Err(message) = guarded(|| state.apply(event)) {
                self.append.drop_last();
                return self.quarantine_after_panic(message);
            }
            self.incarnation.version = self.incarnation.version.next();
        }
        // Handed over before the append, so the shape is durable no later than the first event.
        let HostedType { engine, event_shapes, .. } = self.hosted();
        event_shapes.hand_over(shapes, |notes| drop(engine.committer.store_notes(notes)));
        self.incarnation.time = Some(self.now);
        self.incarnation.ended = None;
        self.remember(context.command_id(), named, events.len() as u64);
        Verdict::Stored { events: events.len() as u64 }
    }

    fn remember(&mut self, id: CommandId, named: bool, events: u64) {
        if named {
            let (version, position) = (self.incarnation.version, Position::NONE);
            let capacity = self.hosted().hosting.remembered_commands;
            let command = Remembered { id, version, events, position };
            self.incarnation.window.remember(command, capacity);
        }
    }

    /// Quarantines the aggregate, because `apply` panicked and the state is half changed. Earlier events
    /// of the turn are still stored; nothing more is decided on this state.
    fn quarantine_after_panic(&mut self, message: String) -> Verdict<A> {
        let slot = self.guard.activation().slot.clone();
        let why = Quarantine {
            aggregate: A::TYPE,
            id: slot.stream.shared_id().clone(),
            version: self.incarnation.version.next(),
            position: None,
            reason: QuarantineReason::ApplyPanicked(message),
        };
        let why = self.guard.activation().quarantine(why);
        self.quarantine = Some(why.clone());
        Verdict::Refused(Failure::Quarantined(why).into())
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
        let (known, none) = (self.incarnation.position, Position::NONE);
        match verdict {
            Verdict::Refused(error) => Prepared::Refused(port, Contained::new(error)),
            Verdict::Stored { events } => {
                Prepared::Accepted(port, receipt(version, events, false, none))
            }
            // After events of this turn its position is theirs, which is not known yet.
            Verdict::Empty if !self.append.is_empty() => {
                Prepared::Accepted(port, receipt(version, 0, false, none))
            }
            Verdict::Empty => Prepared::Accepted(port, receipt(version, 0, false, known)),
            Verdict::Repeated(first) => {
                Prepared::Accepted(port, receipt(first.version, first.events, true, first.position))
            }
        }
    }

    fn end(self) -> TurnEnd {
        if self.quarantine.is_some() && !self.append.is_empty() {
            self.arm_timers();
        }
        let Self { guard, incarnation, append, held, started, quarantine, .. } = self;
        let hosted = guard.activation().hosted.clone();
        let ended = Instant::now();
        hosted.meters.decided(ended.saturating_duration_since(started));
        if let Some(why) = &incarnation.unreadable {
            // The deletion that it was loaded for has not ended it.
            guard.activation().quarantine((**why).clone());
        }
        if append.is_empty() {
            guard.end(TurnOutcome::Nothing);
        } else {
            let snapshot_due = incarnation.is_snapshot_due(&hosted.hosting);
            let pending = PendingAppend::new(guard, append.expected(), held, ended);
            let is_assumed_new = !incarnation.certainty.is_known();
            let pending = pending.with_snapshot_due(snapshot_due).with_assumed_new(is_assumed_new);
            hosted.engine.committer.append(append, Box::new(pending));
        }
        if quarantine.is_some() { TurnEnd::Quarantined } else { TurnEnd::Usable }
    }
}
