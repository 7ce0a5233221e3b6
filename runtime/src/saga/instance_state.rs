//! The state of an instance beside that of its saga: open commands, undos and deadlines.

use std::sync::Arc;

use actuarius_domain::Position;
use serde::{Deserialize, Serialize};

use super::origin::{MaybeOrigin, Origin};
use super::stored::{
    At, CommandOutcome, EffectId, Input, Life, Outgoing, Scheduled, Step, Trouble,
};

/// What an instance remembers beside the state of its saga: a fold over its steps, which runs none of the
/// saga's own code.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct InstanceState {
    /// How many steps the instance has taken.
    pub(super) steps: u64,
    /// Whether the saga has reacted to anything. It has not if its first event is poison.
    pub(super) has_begun: bool,
    pub(super) life: Life,
    /// The step that began to compensate. 0 if none did, or it is not known in a snapshot of an earlier release.
    #[serde(default)]
    pub(super) compensates_since: u64,
    pub(super) trouble: Option<Trouble>,
    /// The last event that the instance has handled.
    pub(super) seen: Position,
    /// The open commands, oldest first.
    pub(super) open: Vec<Open>,
    /// The undos of the accepted commands, in the order in which the commands were accepted.
    pub(super) undos: Vec<Arc<Outgoing>>,
    /// Pending deadlines.
    pub(super) deadlines: Vec<(EffectId, Scheduled)>,
    /// The outcome of this command is recorded without a reaction.
    pub(super) muted: Option<EffectId>,
    /// The origin of the input that began the instance.
    #[serde(default)]
    pub(super) begun_for: MaybeOrigin,
    /// The origin of the step that began to compensate, which the undos have, too.
    #[serde(default)]
    compensates_for: MaybeOrigin,
    /// The origins of the steps that have set the pending deadlines, where they have one.
    #[serde(default)]
    deadline_origins: Vec<(EffectId, MaybeOrigin)>,
}

/// A command whose outcome is not recorded yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) effect: EffectId,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) is_undo: bool,
    /// The command was not carried out up to here.
    pub(super) as_of: Position,
    #[serde(default)]
    pub(super) origin: MaybeOrigin,
}

impl InstanceState {
    pub(super) fn open(&self, effect: EffectId) -> Option<&Open> {
        self.open.iter().find(|open| open.effect == effect)
    }

    pub(super) fn deadline(&self, id: EffectId) -> Option<&Scheduled> {
        self.deadlines.iter().find(|(deadline, _)| *deadline == id).map(|(_, scheduled)| scheduled)
    }

    /// Returns the origin of the step that has set a pending deadline.
    pub(super) fn deadline_origin(&self, id: EffectId) -> Option<&Arc<Origin>> {
        let set = self.deadline_origins.iter().find(|(deadline, _)| *deadline == id);
        set.and_then(|(_, origin)| origin.as_ref())
    }

    /// Whether nothing more will happen.
    pub(super) fn is_over(&self) -> bool {
        self.life.has_ended() && self.open.is_empty() && self.trouble.is_none()
    }

    /// Whether it takes no input before an operator decides.
    pub(super) fn is_blocked(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.at != At::FirstEvent)
    }

    /// Whether an open command is not to be sent any more if it has not been carried out: it was sent before the
    /// instance began to compensate.
    pub(super) fn is_abandoned(&self, open: &Open) -> bool {
        let is_older = self.compensates_since == 0 || open.effect.step < self.compensates_since;
        !open.is_undo && is_older && matches!(self.life, Life::Compensating(_))
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.steps += 1;
        let origin = self.origin_of(&step.input);
        self.take_input(step, &origin);
        self.take_life(step, &origin);
        let effect = |index: usize| EffectId { step: self.steps, index: index as u32 };
        for (index, outgoing) in step.sent.iter().enumerate() {
            let (effect, outgoing) = (effect(index), outgoing.clone());
            let origin = origin.clone();
            self.open.push(Open { effect, outgoing, is_undo: false, as_of: step.as_of, origin });
        }
        if let Some(undo) = self.undos.last().filter(|_| step.undoes) {
            let (effect, outgoing) = (effect(step.sent.len()), undo.clone());
            let origin = self.compensates_for.clone();
            self.open.push(Open { effect, outgoing, is_undo: true, as_of: step.as_of, origin });
        }
        self.take_deadlines(step, &origin);
    }

    fn take_deadlines(&mut self, step: &Step, origin: &MaybeOrigin) {
        self.deadlines.retain(|(deadline, _)| !step.cancelled.contains(deadline));
        for (index, scheduled) in step.scheduled.iter().enumerate() {
            let deadline = EffectId { step: self.steps, index: index as u32 };
            self.deadlines.push((deadline, scheduled.clone()));
            if origin.is_some() {
                self.deadline_origins.push((deadline, origin.clone()));
            }
        }
        if self.life != Life::Running {
            self.deadlines.clear();
        }
        let Self { deadlines, deadline_origins, .. } = self;
        deadline_origins.retain(|(of, _)| deadlines.iter().any(|(deadline, _)| deadline == of));
    }

    fn take_life(&mut self, step: &Step, origin: &MaybeOrigin) {
        if self.life == Life::Running {
            let compensates = matches!(step.life, Life::Compensating(_));
            self.compensates_since = if compensates { self.steps } else { 0 };
            self.compensates_for = origin.clone().filter(|_| compensates);
        }
        self.life = step.life.clone();
        self.trouble = step.trouble.clone();
    }

    /// Returns the origin of a step: that of its event or call, of the answered command, or of the step that has set
    /// the deadline. A step of any other input has the origin of the beginning.
    fn origin_of(&self, input: &Input) -> MaybeOrigin {
        match input {
            Input::BegunFor { origin }
            | Input::EventFor { origin, .. }
            | Input::CancelledFor { origin } => Some(origin.clone()),
            Input::Begun | Input::Event { .. } => None,
            Input::Answered { effect, .. } => self.open(*effect)?.origin.clone(),
            Input::Due { deadline } => self.deadline_origin(*deadline).cloned(),
            Input::Poisoned
            | Input::Known
            | Input::KnownSince { .. }
            | Input::Retried
            | Input::Skipped
            | Input::Cancelled => self.begun_for.clone(),
        }
    }

    fn take_input(&mut self, step: &Step, origin: &MaybeOrigin) {
        match &step.input {
            // An event stored before the instance began does not concern it, even if it is read later.
            Input::Begun | Input::BegunFor { .. } => {
                (self.has_begun, self.seen) = (true, step.as_of);
                self.begun_for.clone_from(origin);
                // Of the time before, if it begins again.
                self.undos.clear();
                self.muted = None;
            }
            Input::Event { position, .. } | Input::EventFor { position, .. } => {
                if !self.has_begun {
                    self.begun_for.clone_from(origin);
                }
                (self.has_begun, self.seen) = (true, *position);
            }
            Input::Answered { effect, outcome } => self.take_answer(*effect, outcome),
            Input::Due { deadline } => self.deadlines.retain(|(it, _)| it != deadline),
            Input::Skipped => self.skip(),
            Input::Poisoned
            | Input::Known
            | Input::KnownSince { .. }
            | Input::Retried
            | Input::Cancelled
            | Input::CancelledFor { .. } => {}
        }
    }

    fn take_answer(&mut self, effect: EffectId, outcome: &CommandOutcome) {
        self.muted = self.muted.filter(|muted| *muted != effect);
        let Some(at) = self.open.iter().position(|open| open.effect == effect) else { return };
        let Open { outgoing, is_undo, .. } = self.open.remove(at);
        match outcome {
            CommandOutcome::Accepted { .. } | CommandOutcome::Abandoned if is_undo => {
                drop(self.undos.pop());
            }
            CommandOutcome::Accepted { .. } => {
                self.undos.extend(outgoing.undoing().map(Arc::new));
            }
            CommandOutcome::Rejected(_) | CommandOutcome::Abandoned => {}
        }
    }

    fn skip(&mut self) {
        match self.trouble.as_ref().map(|trouble| trouble.at) {
            Some(At::Event(position)) => self.seen = position,
            Some(At::Answer(effect)) => self.muted = Some(effect),
            Some(At::Deadline(deadline)) => self.deadlines.retain(|(it, _)| *it != deadline),
            Some(At::Undo) => drop(self.undos.pop()),
            Some(At::Delivery(effect)) => self.abandon(effect),
            Some(At::FirstEvent) | None => {}
        }
    }

    /// Removes a command that was never carried out, and will not be.
    fn abandon(&mut self, effect: EffectId) {
        self.take_answer(effect, &CommandOutcome::Abandoned);
    }

    /// Returns the command that is abandoned if what the instance is blocked on is skipped.
    pub(super) fn abandoned_by_skip(&self) -> Option<&Open> {
        match self.trouble.as_ref()?.at {
            At::Delivery(effect) => self.open(effect),
            _ => None,
        }
    }
}
