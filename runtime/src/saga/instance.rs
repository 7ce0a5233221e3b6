//! An instance of a saga as an aggregate: decides one step for each input.

use std::sync::Arc;

use actuarius_domain::{Aggregate, Context, Position, STEPPED, Saga, Upcasters};
use serde::{Deserialize, Serialize};

use super::beginning::Beginning;
use super::draft::{Draft, Refused};
use super::instance_state::{InstanceState, Open};
use super::status::InstanceStatus;
use super::stepped::Stepped;
use super::stored::{At, CommandOutcome, Due, EffectId, Input, Life, Trouble};
use super::targets::{Reaction, Targets};
use super::trigger::{Concern, Trigger};
use super::upcasting;

/// One instance of a saga: an aggregate like any other, so it is loaded, unloaded, recovered and made
/// durable like one.
#[derive(Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Instance<S: Saga> {
    pub(super) saga: S,
    #[serde(rename = "book")]
    pub(super) state: InstanceState,
}

/// An input of an instance, and what is needed to decide the step that follows.
pub(crate) struct InstanceCommand<S: Saga> {
    pub(super) kind: Kind<S>,
    pub(super) targets: Arc<Targets<S>>,
    /// The end of the log: a command that is sent now was not carried out up to here.
    pub(super) head: Position,
}

pub(super) enum Kind<S: Saga> {
    Begin {
        beginning: Beginning<S>,
        assumes_new: bool,
        existing: Existing,
    },
    Event {
        trigger: Trigger,
        /// One reaction, unless the event has been upcast to several.
        reactions: Vec<(Concern, Reaction<S>)>,
        /// No attempt was made before. If one was, and the instance exists, to assume again that it is new would fail
        /// again whenever the instance is not in memory.
        is_first: bool,
    },
    Answer {
        effect: EffectId,
        outcome: CommandOutcome,
        reaction: Reaction<S>,
    },
    Due(EffectId),
    Poison {
        trouble: Trouble,
        keys: Vec<String>,
    },
    /// Adds the keys of an event that waits to be handled.
    AddKeys {
        concern: Concern,
        position: Position,
        keys: Vec<String>,
    },
    Retry,
    Skip,
    Cancel {
        why: String,
        /// Only if no command is open, so that none was carried out or will be.
        only_unsent: bool,
    },
}

/// What to do with an instance that exists already when it is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It stays as it is.
    Stays,
    /// It begins again if it was cancelled.
    BeginsAfterCancel,
    /// It begins again, without the deadlines that it had, unless a command is open.
    IsReplaced,
}

impl Existing {
    fn lets_begin(self, state: &InstanceState) -> bool {
        match self {
            _ if state.steps == 0 => true,
            Self::Stays => false,
            Self::BeginsAfterCancel => {
                state.is_over() && matches!(state.life, Life::Compensated(_))
            }
            Self::IsReplaced => state.trouble.is_none() && state.open.is_empty(),
        }
    }
}

impl<S: Saga> Kind<S> {
    /// Whether the input only concerns an instance that does not exist yet.
    pub(super) fn assumes_new(&self) -> bool {
        match self {
            Self::Begin { assumes_new, .. } => *assumes_new,
            Self::Event { reactions, is_first, .. } => {
                let begins = |(concern, _): &(Concern, _)| concern.starts && !concern.continues;
                *is_first && reactions.iter().all(begins)
            }
            _ => false,
        }
    }
}

impl<S: Saga> Aggregate for Instance<S> {
    const TYPE: &'static str = S::TYPE;
    const STATE_VERSION: u32 = S::STATE_VERSION;
    type Command = InstanceCommand<S>;
    type Event = Stepped<S>;
    type Error = Refused;

    fn decide(
        &self,
        command: InstanceCommand<S>,
        context: &Context,
    ) -> Result<Vec<Stepped<S>>, Refused> {
        let InstanceCommand { kind, targets, head } = command;
        let draft = Draft::of((&self.saga, &self.state), &targets, head, context);
        self.decided(kind, draft).map(|step| step.into_iter().collect())
    }

    fn apply(&mut self, stepped: &Stepped<S>) {
        if let Stepped::Stepped { saga, .. } = stepped {
            self.saga = saga.clone();
        }
        self.state.take(stepped.step());
    }

    fn schema_version(event_type: &str) -> u32 {
        // A step without a state has a form that the saga does not change.
        if event_type == STEPPED { S::SCHEMA_VERSION } else { 1 }
    }

    fn upcasters() -> Upcasters {
        upcasting::upcasters(S::upcasters())
    }
}

/// The step that follows, if the input concerns the instance.
type Finished<S> = Result<Option<Stepped<S>>, Refused>;

impl<S: Saga> Instance<S> {
    fn decided(&self, kind: Kind<S>, draft: Draft<'_, S>) -> Finished<S> {
        match kind {
            Kind::Begin { beginning, existing, .. } => self.begin(draft, &beginning, existing),
            Kind::Event { trigger, reactions, .. } => self.react(draft, trigger, reactions),
            Kind::Answer { effect, outcome, reaction } => {
                self.record_outcome(draft, effect, outcome, reaction)
            }
            Kind::Due(deadline) => self.deliver_due(draft, deadline),
            Kind::Poison { trouble, keys } => Ok(self.poison(draft, trouble, keys)),
            Kind::AddKeys { concern, position, keys } => {
                self.add_keys(draft, concern, position, keys)
            }
            Kind::Retry => self.retry(draft),
            Kind::Skip => self.skip(draft),
            Kind::Cancel { why, only_unsent } => self.cancel(draft, why, only_unsent),
        }
    }

    /// Returns the commands of the last step. A compensating instance returns all open commands: those that no
    /// task dispatches have to be abandoned, or found to be carried out.
    pub(super) fn to_dispatch(&self) -> Vec<Open> {
        let is_compensating = matches!(self.state.life, Life::Compensating(_));
        let due = |open: &&Open| is_compensating || open.effect.step == self.state.steps;
        self.state.open.iter().filter(due).cloned().collect()
    }

    pub(super) fn status(&self) -> InstanceStatus {
        let status = InstanceStatus::of(&self.state.life, self.state.trouble.as_ref());
        status.with_open(self.state.open.len() as u64)
    }

    /// Whether an open command is not to be sent any more. Returns `None` if the command is not open, or its
    /// outcome is not taken now.
    pub(super) fn is_abandoned(&self, effect: EffectId) -> Option<bool> {
        let open = self.state.open(effect).filter(|_| self.state.trouble.is_none())?;
        Some(self.state.is_abandoned(open))
    }

    fn begin(
        &self,
        draft: Draft<'_, S>,
        beginning: &Beginning<S>,
        existing: Existing,
    ) -> Finished<S> {
        if !existing.lets_begin(&self.state) {
            return Ok(None);
        }
        let input = Input::begun(draft.origin());
        beginning.reacting(draft.beginning_again())?.without_deadlines().finish(input)
    }

    fn react(
        &self,
        mut draft: Draft<'_, S>,
        trigger: Trigger,
        mut reactions: Vec<(Concern, Reaction<S>)>,
    ) -> Finished<S> {
        let Trigger { stream, event_type, position, keys } = trigger;
        let mut has_begun = self.state.has_begun;
        reactions.retain(|(concern, _)| {
            let concerns = if has_begun { concern.continues } else { concern.starts };
            has_begun |= concerns;
            concerns
        });
        let is_over = self.state.life != Life::Running;
        if reactions.is_empty() || position <= self.state.seen || is_over {
            return Ok(None);
        }
        self.check()?;
        draft.step.keys = keys;
        // That of an instance that had not begun.
        draft.step.trouble = None;
        for (_, reaction) in reactions {
            // The saga does not react to what follows an end.
            if draft.step.life == Life::Running {
                draft = draft.reacting(reaction)?;
            }
        }
        let origin = draft.origin();
        draft.finish(Input::event((stream, event_type), position, origin))
    }

    fn record_outcome(
        &self,
        mut draft: Draft<'_, S>,
        effect: EffectId,
        outcome: CommandOutcome,
        reaction: Reaction<S>,
    ) -> Finished<S> {
        let Some(open) = self.state.open(effect) else { return Ok(None) };
        self.check()?;
        draft.is_muted = self.state.muted == Some(effect);
        let reacts = self.state.life == Life::Running && !open.is_undo && !draft.is_muted;
        if let (CommandOutcome::Rejected(why), true) = (&outcome, open.is_undo) {
            draft.step.trouble = Some(Trouble { at: At::Undo, why: why.clone() });
        } else if reacts {
            draft = draft.reacting(reaction)?;
        }
        draft.finish(Input::Answered { effect, outcome })
    }

    fn deliver_due(&self, mut draft: Draft<'_, S>, deadline: EffectId) -> Finished<S> {
        let Some(scheduled) = self.state.deadline(deadline) else { return Ok(None) };
        self.check()?;
        draft.firing = Some(deadline);
        match &scheduled.what {
            Due::Send(outgoing) => draft.step.sent.push(outgoing.clone()),
            Due::Remind(name) => {
                let name = name.decode::<S::Deadline>();
                let name = name.map_err(|error| Refused::Unwritable(error.to_string()))?;
                draft = draft.reacting(Box::new(move |saga| saga.due(name)))?;
            }
        }
        draft.finish(Input::Due { deadline })
    }

    fn poison(
        &self,
        mut draft: Draft<'_, S>,
        trouble: Trouble,
        keys: Vec<String>,
    ) -> Option<Stepped<S>> {
        if self.state.is_blocked() || self.state.is_over() {
            return None;
        }
        draft.step.trouble = Some(trouble);
        draft.step.keys = keys;
        draft.finish(Input::Poisoned).ok().flatten()
    }

    fn add_keys(
        &self,
        mut draft: Draft<'_, S>,
        concern: Concern,
        position: Position,
        keys: Vec<String>,
    ) -> Finished<S> {
        // An instance whose first event is poison may have begun when the event is handled.
        let concerns = concern.continues || !self.state.has_begun;
        let exists = self.state.steps > 0 && self.state.life == Life::Running;
        if !exists || !concerns || position <= self.state.seen {
            return Ok(None);
        }
        draft.step.keys = keys;
        draft.finish(Input::KnownSince { position })
    }

    fn retry(&self, mut draft: Draft<'_, S>) -> Finished<S> {
        if !self.state.is_blocked() {
            return Ok(None);
        }
        let why = "it has not begun: its first event is tried again, or was deleted, and then another event may begin it";
        let unbegun = Trouble { at: At::FirstEvent, why: why.to_owned() };
        draft.step.trouble = (!self.state.has_begun).then_some(unbegun);
        draft.finish(Input::Retried)
    }

    fn skip(&self, mut draft: Draft<'_, S>) -> Finished<S> {
        if self.state.trouble.is_none() {
            return Ok(None);
        }
        draft.step.trouble = None;
        if !self.state.has_begun {
            draft.step.life = Life::Failed("its first event was skipped".to_owned());
        }
        draft.finish(Input::Skipped)
    }

    fn cancel(&self, draft: Draft<'_, S>, why: String, only_unsent: bool) -> Finished<S> {
        let is_running = self.state.has_begun && self.state.life == Life::Running;
        if !is_running || (only_unsent && !self.state.open.is_empty()) {
            return Ok(None);
        }
        let input = Input::cancelled(draft.origin());
        let mut draft = draft.reacting(Box::new(move |saga| saga.cancelled(&why)))?;
        if draft.changes_nothing() {
            return Ok(None);
        }
        if draft.step.life != Life::Running {
            draft.step.trouble = None;
        }
        draft.finish(input)
    }

    /// # Errors
    /// A quarantined or stuck instance takes no input.
    fn check(&self) -> Result<(), Refused> {
        match &self.state.trouble {
            Some(trouble) if self.state.is_blocked() => {
                Err(Refused::InTrouble(trouble.why.clone()))
            }
            _ => Ok(()),
        }
    }
}
