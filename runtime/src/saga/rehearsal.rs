//! An instance under test, without a runtime: it decides as in production, and its commands are not sent.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use actuarius_domain::{
    Aggregate, CommandId, Context, Envelope, Id, Outcome, Position, ReactsTo, Saga, Sends,
    Timestamp, Version,
};
use actuarius_persistence::Codec;
use actuarius_persistence::personal::in_clear;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::beginning::Beginning;
use super::instance::{Existing, Instance, InstanceCommand, Kind};
use super::instance_state::Open;
use super::status::InstanceStatus;
use super::stepped::Stepped;
use super::stored::{Due, EffectId, Outgoing};
use super::targets::{DEFAULT_CODEC, Dispatched, Reaction, Targets};
use super::trigger::{Concern, Trigger};

/// An instance under test.
pub(crate) struct Rehearsal<S: Saga> {
    instance: Instance<S>,
    targets: Arc<Targets<S>>,
    id: Arc<str>,
    now: Timestamp,
    /// Whether the last input had a step.
    took_step: bool,
    /// Whether the last input concerned it.
    concerned: bool,
}

impl<S: Saga> Rehearsal<S> {
    pub(crate) fn of(id: &str) -> Self {
        Self {
            instance: Instance::default(),
            targets: Arc::new(Targets::new(DEFAULT_CODEC)),
            id: id.into(),
            now: Timestamp::default(),
            took_step: false,
            concerned: false,
        }
    }

    pub(crate) fn use_codec(&mut self, codec: Codec) {
        // Nothing else holds the targets between two inputs.
        if let Some(targets) = Arc::get_mut(&mut self.targets) {
            targets.codec = codec;
        }
    }

    pub(crate) fn add_target<A>(&mut self)
    where
        A: Aggregate<Command: Serialize + DeserializeOwned>,
        S: Sends<A>,
    {
        // Nothing else holds the targets between two inputs.
        if let Some(targets) = Arc::get_mut(&mut self.targets) {
            targets.add::<A>(None);
        }
    }

    pub(crate) fn begin(&mut self, reaction: Reaction<S>) -> Result<(), String> {
        self.take(Kind::Begin {
            beginning: Beginning::of(reaction),
            assumes_new: true,
            existing: Existing::Stays,
        })
    }

    /// Applies an event. Whether it concerns the instance is decided as in production, by its id only.
    pub(crate) fn event<A>(&mut self, event: Envelope<A>) -> Result<(), String>
    where
        A: Aggregate,
        S: ReactsTo<A>,
    {
        let correlation = S::correlate(&event);
        let concern = Concern::of(&correlation);
        let trigger = Trigger {
            stream: event.id.stream().to_string(),
            event_type: event.header.event_type.clone(),
            position: event.header.position,
            keys: correlation.keys().to_vec(),
        };
        let (sender, reacted) = mpsc::channel();
        let reaction: Reaction<S> = Box::new(move |saga| {
            // The receiver is below.
            let _ = sender.send(());
            saga.react(&event)
        });
        self.take(Kind::Event { trigger, reactions: vec![(concern, reaction)], is_first: true })?;
        // An event may concern the instance and change nothing.
        self.concerned |= reacted.try_recv().is_ok();
        Ok(())
    }

    /// Answers the oldest open command to an aggregate.
    pub(crate) fn answer<A>(&mut self, id: &Id<A>, outcome: Outcome<A::Error>) -> Result<(), String>
    where
        A: Aggregate<Command: DeserializeOwned>,
        S: Sends<A>,
    {
        let is_it =
            |it: &&Open| it.outgoing.aggregate == A::TYPE && &*it.outgoing.id == id.as_str();
        let open = self.instance.state.open.iter().find(is_it);
        let open = open.ok_or_else(|| format!("no command to {id} is open"))?.clone();
        let Dispatched { outcome, reaction } =
            Dispatched::answered(id.clone(), &open.outgoing, outcome);
        self.take(Kind::Answer { effect: open.effect, outcome, reaction })
    }

    /// Advances the clock, and delivers the deadlines that are due by then, in their order.
    pub(crate) fn advance(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now.plus(time);
        (self.took_step, self.concerned) = (false, false);
        while let Some((deadline, at)) = self.next_deadline().filter(|(_, at)| *at <= end) {
            self.now = self.now.max(at);
            self.take(Kind::Due(deadline))?;
        }
        self.now = end;
        Ok(())
    }

    pub(crate) fn cancel(&mut self, why: &str) -> Result<(), String> {
        self.take(Kind::Cancel { why: why.to_owned(), only_unsent: false })
    }

    fn next_deadline(&self) -> Option<(EffectId, Timestamp)> {
        let deadlines = self.instance.state.deadlines.iter().map(|(id, it)| (*id, it.at));
        deadlines.min_by_key(|(id, at)| (*at, *id))
    }

    fn take(&mut self, kind: Kind<S>) -> Result<(), String> {
        in_clear(|| self.take_in_clear(kind))
    }

    fn take_in_clear(&mut self, kind: Kind<S>) -> Result<(), String> {
        let version = Version::new(self.instance.state.steps);
        let context = Context::new(self.id.clone(), version, self.now, CommandId::default());
        let command = InstanceCommand { kind, targets: self.targets.clone(), head: Position::NONE };
        let steps = self.instance.decide(command, &context).map_err(|error| error.to_string())?;
        self.took_step = !steps.is_empty();
        self.concerned = self.took_step;
        for step in steps {
            self.instance.apply(&through_codec(self.targets.codec, &step)?);
        }
        Ok(())
    }

    pub(crate) fn was_concerned(&self) -> bool {
        self.concerned
    }

    pub(crate) fn state(&self) -> &S {
        &self.instance.saga
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        self.instance.status()
    }

    /// Returns what the last input has sent: the recipient, and the command if it is one to an `A`.
    pub(crate) fn sent<A>(&self) -> Vec<(String, Option<A::Command>)>
    where
        A: Aggregate<Command: DeserializeOwned>,
    {
        let last = self.instance.state.steps;
        let mut sent = if self.took_step { self.instance.to_dispatch() } else { Vec::new() };
        sent.retain(|open| open.effect.step == last);
        let shown = |Outgoing { aggregate, id, command, .. }: &Outgoing| {
            let command =
                if aggregate == A::TYPE { in_clear(|| command.decode().ok()) } else { None };
            (format!("{aggregate}/{id}"), command)
        };
        sent.iter().map(|open| shown(&open.outgoing)).collect()
    }

    /// Returns the time until each deadline, with its name.
    pub(crate) fn deadlines(&self) -> Vec<(Duration, Option<S::Deadline>)> {
        let until = |at: Timestamp| {
            let micros = at.as_micros().saturating_sub(self.now.as_micros());
            Duration::from_micros(u64::try_from(micros).unwrap_or_default())
        };
        let named = |what: &Due| match what {
            Due::Remind(name) => in_clear(|| name.decode().ok()),
            Due::Send(_) => None,
        };
        let deadlines = self.instance.state.deadlines.iter();
        deadlines.map(|(_, scheduled)| (until(scheduled.at), named(&scheduled.what))).collect()
    }
}

/// Encodes and decodes a step, as recovery would read it.
fn through_codec<S: Saga>(codec: Codec, step: &Stepped<S>) -> Result<Stepped<S>, String> {
    let back = codec.encode_event_checked(step, &mut Vec::new());
    let back = back.map(|(_, back)| back);
    back.map_err(|error| format!("the state differs after it was stored and read: {error}"))
}
