use actuarius_domain::{Context, Effect, Ending, Position, Saga, When};
use thiserror::Error;

use super::instance_state::InstanceState;
use super::stage::Stage;
use super::stored::{
    At, CommandOutcome, Due, EffectId, Input, Life, Payload, Scheduled, Step, Stepped,
};
use super::targets::{Reaction, Targets};

/// Why an instance takes an input not now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refused {
    #[error("the instance is out of service: {0}")]
    Troubled(String),
    #[error("what follows cannot be written down: {0}")]
    Unwritable(String),
}

/// A step that is being written down.
pub(super) struct Draft<'a, S: Saga> {
    saga: S,
    instance_state: &'a InstanceState,
    targets: &'a Targets<S>,
    context: &'a Context,
    pub(super) step: Step,
    /// The code of the user is not asked.
    pub(super) is_quiet: bool,
}

impl<'a, S: Saga> Draft<'a, S> {
    pub(super) fn of(
        (saga, instance_state): (&S, &'a InstanceState),
        targets: &'a Targets<S>,
        as_of: Position,
        context: &'a Context,
    ) -> Self {
        let step = Step {
            input: Input::Begun,
            as_of,
            life: instance_state.life.clone(),
            trouble: instance_state.trouble.clone(),
            sent: Vec::new(),
            undoes: false,
            scheduled: Vec::new(),
            cancelled: Vec::new(),
            keys: Vec::new(),
            open: 0,
        };
        Self { saga: saga.clone(), instance_state, targets, context, step, is_quiet: false }
    }

    /// Has the saga react, and writes down what it wants.
    pub(super) fn reacting(mut self, reaction: Reaction<S>) -> Result<Self, Refused> {
        let (effects, ending) = reaction(&mut self.saga).into_parts();
        for effect in effects {
            self.write(effect).map_err(Refused::Unwritable)?;
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

    fn write(&mut self, effect: Effect<S>) -> Result<(), String> {
        match effect {
            Effect::Send(sending) => self.step.sent.push(self.targets.write(sending)?),
            Effect::SendAt(at, sending) => {
                let what = Due::Send(self.targets.write(sending)?);
                self.step.scheduled.push(Scheduled { at, what });
            }
            Effect::Schedule(when, name) => {
                let name = self.name(&name)?;
                self.cancel(&name);
                let at = match when {
                    When::At(moment) => moment,
                    // The conductor goes by the clock, too.
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
        // What was written with another codec is called the same if it would be now.
        let is_called = |what: &Due| match what {
            Due::Remind(other) if other == name => true,
            Due::Remind(other) => other
                .decode::<S::Deadline>()
                .and_then(|other| Payload::of(targets.codec, &other))
                .is_ok_and(|other| other == *name),
            Due::Send(_) => false,
        };
        let pending = self.instance_state.deadlines.iter().filter(|(_, it)| is_called(&it.what));
        self.step.cancelled.extend(pending.map(|(deadline, _)| *deadline));
        self.step.scheduled.retain(|scheduled| !is_called(&scheduled.what));
    }

    /// What is stored. An instance that compensates takes the next step of that with it.
    pub(super) fn finish(mut self, input: Input) -> Result<Option<Stepped<S>>, Refused> {
        self.step.input = input;
        let open = self.still_open();
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

    /// All is undone.
    fn end(mut self, why: String) -> Result<Self, Refused> {
        if !self.is_quiet {
            let said = why.clone();
            self = self.reacting(Box::new(move |saga| saga.compensated(&said)))?;
        }
        self.step.life = Life::Compensated(why);
        Ok(self)
    }

    fn answered(&self) -> Option<(EffectId, &CommandOutcome)> {
        match &self.step.input {
            Input::Answered { effect, told } => Some((*effect, told)),
            _ => None,
        }
    }

    /// How many of the commands on their way still are.
    fn still_open(&self) -> usize {
        let answered = self.answered().map(|(effect, _)| effect);
        self.instance_state.open.iter().filter(|open| Some(open.effect) != answered).count()
    }

    /// Whether there is anything left to undo.
    fn has_undos(&self) -> bool {
        let undos = self.instance_state.undos.len();
        let skipped =
            self.instance_state.trouble.as_ref().is_some_and(|trouble| trouble.at == At::Undo);
        match (self.answered(), &self.step.input) {
            (Some((effect, CommandOutcome::Accepted { .. })), _) => {
                match self.instance_state.open(effect) {
                    Some(open) if open.is_undo => undos > 1,
                    Some(open) if open.outgoing.undo.is_some() => true,
                    _ => undos > 0,
                }
            }
            (None, Input::Skipped) if skipped => undos > 1,
            _ => undos > 0,
        }
    }
}
