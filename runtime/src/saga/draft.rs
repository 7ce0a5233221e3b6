//! A step being drafted: collects what a reaction asks for, and decides what is stored.

use actuarius_domain::{Context, Effect, Ending, Position, Saga, When};
use thiserror::Error;

use super::instance_state::{InstanceState, Open};
use super::origin::{MaybeOrigin, Origin};
use super::stage::Stage;
use super::stored::{
    At, CommandOutcome, Due, EffectId, Input, Life, Payload, Scheduled, Step, Stepped,
};
use super::targets::{Reaction, Targets};

/// Why an instance does not take an input now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("the instance is quarantined or stuck: {0}")]
    InTrouble(String),
    #[error("a command or deadline cannot be encoded: {0}")]
    Unwritable(String),
}

/// A step being drafted.
pub(super) struct Draft<'a, S: Saga> {
    saga: S,
    state: &'a InstanceState,
    targets: &'a Targets<S>,
    context: &'a Context,
    pub(super) step: Step,
    /// The saga's own code does not run.
    pub(super) is_muted: bool,
}

impl<'a, S: Saga> Draft<'a, S> {
    pub(super) fn of(
        (saga, state): (&S, &'a InstanceState),
        targets: &'a Targets<S>,
        as_of: Position,
        context: &'a Context,
    ) -> Self {
        let step = Step {
            input: Input::Begun,
            as_of,
            life: state.life.clone(),
            trouble: state.trouble.clone(),
            sent: Vec::new(),
            undoes: false,
            scheduled: Vec::new(),
            cancelled: Vec::new(),
            keys: Vec::new(),
            open: 0,
        };
        Self { saga: saga.clone(), state, targets, context, step, is_muted: false }
    }

    /// Returns the origin of the input.
    pub(super) fn origin(&self) -> MaybeOrigin {
        Origin::of(self.context.metadata())
    }

    pub(super) fn saga(&self) -> &S {
        &self.saga
    }

    /// Continues with a state and effects that were drafted before.
    pub(super) fn with(mut self, saga: S, step: Step) -> Self {
        self.saga = saga;
        self.step = Step { as_of: self.step.as_of, ..step };
        self
    }

    /// Starts from the saga's first state, whatever has happened before.
    pub(super) fn beginning_again(mut self) -> Self {
        (self.step.life, self.step.trouble) = (Life::Running, None);
        Self { saga: S::default(), ..self }
    }

    /// Cancels all deadlines that were set by earlier steps.
    pub(super) fn without_deadlines(mut self) -> Self {
        self.step.cancelled = self.state.deadlines.iter().map(|(deadline, _)| *deadline).collect();
        self
    }

    /// Runs a reaction and records the effects it asks for.
    pub(super) fn reacting(mut self, reaction: Reaction<S>) -> Result<Self, Refused> {
        let (effects, ending) = reaction(&mut self.saga).into_parts();
        for effect in effects {
            self.add(effect).map_err(Refused::Unwritable)?;
        }
        match ending {
            Some(Ending::Complete) => self.step.life = Life::Completed,
            Some(Ending::Fail(why)) => self.step.life = Life::Failed(why),
            Some(Ending::Compensate(why)) => self.step.life = Life::Compensating(why),
            None => {}
        }
        self.targets.stages.reached(Stage::Reacted, self.context.id());
        Ok(self)
    }

    /// Whether the reaction asked for nothing, and left the state as it was `before`.
    pub(super) fn changes_nothing(&self, before: &S) -> bool {
        let step = &self.step;
        let is_idle =
            step.sent.is_empty() && step.scheduled.is_empty() && step.cancelled.is_empty();
        let encoded = |saga: &S| Payload::of(self.targets.codec, saga).ok();
        is_idle
            && step.life == self.state.life
            && encoded(before).is_some_and(|before| Some(before) == encoded(&self.saga))
    }

    fn add(&mut self, effect: Effect<S>) -> Result<(), String> {
        match effect {
            Effect::Send(sending) => self.step.sent.push(self.targets.encode(sending)?),
            Effect::SendAt(at, sending) => {
                let what = Due::Send(self.targets.encode(sending)?);
                self.step.scheduled.push(Scheduled { at, what });
            }
            Effect::Schedule(when, name) => {
                let name = self.name(&name)?;
                self.cancel(&name);
                let at = match when {
                    When::At(moment) => moment,
                    // The coordinator uses the same clock.
                    When::In(time) => self.context.clock().plus(time),
                };
                self.step.scheduled.push(Scheduled { at, what: Due::Remind(name) });
            }
            Effect::Cancel(name) => {
                let name = self.name(&name)?;
                self.cancel(&name);
            }
        }
        Ok(())
    }

    fn name(&self, name: &S::Deadline) -> Result<Payload, String> {
        Payload::of(self.targets.codec, name).map_err(|error| error.to_string())
    }

    fn cancel(&mut self, name: &Payload) {
        let targets = self.targets;
        // A deadline stored with another codec has this name if it encodes to the same bytes now.
        let is_called = |what: &Due| match what {
            Due::Remind(other) if other == name => true,
            Due::Remind(other) => other
                .decode::<S::Deadline>()
                .and_then(|other| Payload::of(targets.codec, &other))
                .is_ok_and(|other| other == *name),
            Due::Send(_) => false,
        };
        let pending = self.state.deadlines.iter().filter(|(_, it)| is_called(&it.what));
        self.step.cancelled.extend(pending.map(|(deadline, _)| *deadline));
        self.step.scheduled.retain(|scheduled| !is_called(&scheduled.what));
    }

    /// Returns the step to store. A step of a compensating instance includes the next undo.
    pub(super) fn finish(mut self, input: Input) -> Result<Option<Stepped<S>>, Refused> {
        self.step.input = input;
        let open = self.open_after_input();
        if let (Life::Compensating(why), None) = (&self.step.life, &self.step.trouble)
            && open + self.step.sent.len() == 0
        {
            let why = why.clone();
            self.step.undoes = self.has_undos();
            if !self.step.undoes {
                self = self.end(why)?;
            }
        }
        if self.step.life != Life::Running {
            self.step.scheduled.clear();
        }
        self.step.open = (open + self.step.sent.len() + usize::from(self.step.undoes)) as u64;
        Ok(Some(Stepped::Stepped { saga: self.saga, step: self.step }))
    }

    /// Ends the instance: everything is undone.
    fn end(mut self, why: String) -> Result<Self, Refused> {
        if !self.is_muted {
            let said = why.clone();
            self = self.reacting(Box::new(move |saga| saga.compensated(&said)))?;
        }
        self.step.life = Life::Compensated(why);
        Ok(self)
    }

    fn answered(&self) -> Option<(EffectId, &CommandOutcome)> {
        match &self.step.input {
            Input::Answered { effect, outcome } => Some((*effect, outcome)),
            _ => None,
        }
    }

    /// How many commands are still open after the input.
    fn open_after_input(&self) -> usize {
        let answered = self.answered().map(|(effect, _)| effect);
        let closed = answered.or_else(|| self.abandoned().map(|open| open.effect));
        self.state.open.iter().filter(|open| Some(open.effect) != closed).count()
    }

    /// Returns the command that the input abandons.
    fn abandoned(&self) -> Option<&Open> {
        self.state.abandoned_by_skip().filter(|_| self.step.input == Input::Skipped)
    }

    /// Whether an undo is left to send.
    fn has_undos(&self) -> bool {
        let undos = self.state.undos.len();
        let skipped = self.state.trouble.as_ref().is_some_and(|trouble| trouble.at == At::Undo)
            || self.abandoned().is_some_and(|open| open.is_undo);
        match (self.answered(), &self.step.input) {
            (Some((effect, CommandOutcome::Accepted { .. })), _) => match self.state.open(effect) {
                Some(open) if open.is_undo => undos > 1,
                Some(open) if open.outgoing.undo.is_some() => true,
                _ => undos > 0,
            },
            (None, Input::Skipped) if skipped => undos > 1,
            _ => undos > 0,
        }
    }
}
