//! A step being drafted: collects what a reaction asks for, and decides what is stored.

use std::borrow::Cow;
use std::cell::OnceCell;

use actuarius_domain::{Context, Effect, Ending, Position, Saga, Timestamp, When};
use actuarius_persistence::personal::in_clear;
use thiserror::Error;

use super::in_place::InPlace;
use super::instance_state::{InstanceState, Open};
use super::origin::{MaybeOrigin, Origin};
use super::stage::Stage;
use super::stepped::{Stepped, is_whole};
use super::stored::{At, CommandOutcome, Due, EffectId, Input, Life, Payload, Scheduled, Step};
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
    /// The state of the saga before the step.
    before: &'a S,
    saga: Cow<'a, S>,
    /// Whether the state is as it was, once that is known.
    is_same: OnceCell<bool>,
    state: &'a InstanceState,
    targets: &'a Targets<S>,
    context: &'a Context,
    pub(super) step: Step,
    /// The saga's own code does not run.
    pub(super) is_muted: bool,
    /// The deadline that is the input. It is over with the step.
    pub(super) firing: Option<EffectId>,
    /// The instance begins, perhaps again.
    begins: bool,
}

impl<'a, S: Saga> Draft<'a, S> {
    pub(super) fn of(
        (saga, state): (&'a S, &'a InstanceState),
        targets: &'a Targets<S>,
        as_of: Position,
        context: &'a Context,
    ) -> Self {
        let (life, trouble) = (state.life.clone(), state.trouble.clone());
        let step = Step { life, trouble, ..Step::of(Input::Begun, as_of) };
        let (before, saga, is_same) = (saga, Cow::Borrowed(saga), OnceCell::new());
        let (is_muted, firing, begins) = (false, None, false);
        Self { before, saga, is_same, state, targets, context, step, is_muted, firing, begins }
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
        (self.saga, self.is_same) = (Cow::Owned(saga), OnceCell::new());
        self.step = Step { as_of: self.step.as_of, ..step };
        self
    }

    /// Starts from the saga's first state, whatever has happened before.
    pub(super) fn beginning_again(mut self) -> Self {
        (self.step.life, self.step.trouble) = (Life::Running, None);
        self.begins = true;
        Self { saga: Cow::Owned(S::default()), is_same: OnceCell::new(), ..self }
    }

    /// Cancels all deadlines that were set by earlier steps.
    pub(super) fn without_deadlines(mut self) -> Self {
        self.step.cancelled = self.state.deadlines.iter().map(|(deadline, _)| *deadline).collect();
        self
    }

    /// Runs a reaction and records the effects it asks for.
    pub(super) fn reacting(mut self, reaction: Reaction<S>) -> Result<Self, Refused> {
        self.is_same = OnceCell::new();
        let (effects, ending) = reaction(self.saga.to_mut()).into_parts();
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

    /// Whether nothing follows from the input, and the state is as it was.
    pub(super) fn changes_nothing(&self) -> bool {
        let Step { sent, scheduled, cancelled, keys, .. } = &self.step;
        let is_idle =
            sent.is_empty() && scheduled.is_empty() && cancelled.is_empty() && keys.is_empty();
        is_idle && self.step.life == self.state.life && self.is_same()
    }

    /// Whether the state of the saga is as it was: whether it is encoded to the same bytes.
    fn is_same(&self) -> bool {
        let Cow::Owned(saga) = &self.saga else { return true };
        let encoded = |saga: &S| {
            let mut bytes = Vec::new();
            // Sealed values differ each time.
            in_clear(|| self.targets.codec.encode(saga, &mut bytes)).ok().map(|()| bytes)
        };
        let compare = || encoded(saga).is_some_and(|after| Some(after) == encoded(self.before));
        *self.is_same.get_or_init(compare)
    }

    fn add(&mut self, effect: Effect<S>) -> Result<(), String> {
        match effect {
            Effect::Send(sending) => self.step.sent.push(self.targets.encode(sending)?),
            Effect::SendAt(at, sending) => {
                let what = Due::Send(self.targets.encode(sending)?);
                self.step.scheduled.push(Scheduled { at, what });
            }
            Effect::Schedule(when, name) => {
                let at = match when {
                    When::At(moment) => moment,
                    // The coordinator uses the same clock.
                    When::In(time) => self.context.clock().plus(time),
                };
                self.schedule(at, self.name(&name)?);
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

    /// Sets a deadline instead of those of the same name. One that is set to this time already stays.
    fn schedule(&mut self, at: Timestamp, name: Payload) {
        let (cancelled, scheduled) = (self.step.cancelled.len(), self.step.scheduled.len());
        self.cancel(&name);
        let origin = self.origin();
        let is_set = |deadline: &EffectId| {
            self.state.deadline(*deadline).is_some_and(|it| it.at == at)
                && self.state.deadline_origin(*deadline) == origin.as_ref()
        };
        // What a deadline sets gets that one's origin, and the deadline itself is over.
        let stays = !self.begins && self.firing.is_none() && self.step.scheduled.len() == scheduled;
        match self.step.cancelled[cancelled..] {
            [only] if stays && is_set(&only) => {
                self.step.cancelled.pop();
            }
            _ => self.step.scheduled.push(Scheduled { at, what: Due::Remind(name) }),
        }
    }

    /// Cancels the deadlines of a name.
    fn cancel(&mut self, name: &Payload) {
        let codec = self.targets.codec;
        // A deadline stored with another codec has this name if it encodes to the same bytes now.
        let is_called = |what: &Due| match what {
            Due::Remind(other) => other == name || other.is_now::<S::Deadline>(codec, name),
            Due::Send(_) => false,
        };
        let Step { cancelled, scheduled, .. } = &mut self.step;
        for (deadline, pending) in &self.state.deadlines {
            if !cancelled.contains(deadline) && is_called(&pending.what) {
                cancelled.push(*deadline);
            }
        }
        scheduled.retain(|scheduled| !is_called(&scheduled.what));
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
        Ok(Some(self.stored()))
    }

    /// Returns the step with the state, unless that is as it was. The first step of an instance has it: what its
    /// state was before is known only to the type, and another release may have another default.
    fn stored(self) -> Stepped<S> {
        let is_first = self.begins || !self.state.has_begun;
        match is_first || is_whole(self.context.version().next()) || !self.is_same() {
            true => Stepped::Stepped { saga: self.saga.into_owned(), step: self.step },
            false => Stepped::SteppedInPlace(InPlace(self.step)),
        }
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
