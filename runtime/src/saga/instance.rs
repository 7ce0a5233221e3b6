use std::sync::Arc;

use actuarius_domain::{Aggregate, Context, Correlation, Position, Saga, Upcasters};
use serde::{Deserialize, Serialize};

use super::draft::{Draft, Refused};
use super::instance_state::{InstanceState, Open};
use super::status::InstanceStatus;
use super::stored::{self, At, CommandOutcome, Due, EffectId, Input, Life, Stepped, Trouble};
use super::targets::{Reaction, Targets};

/// One instance of a saga: an aggregate like any other, so it is found, held in memory, made durable,
/// put out of memory and recovered as those are.
#[derive(Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Instance<S: Saga> {
    pub(super) saga: S,
    pub(super) instance_state: InstanceState,
}

/// An input of an instance, and what is needed to write down what follows.
pub(super) struct Ask<S: Saga> {
    pub(super) kind: Kind<S>,
    pub(super) targets: Arc<Targets<S>>,
    /// The end of the log: nothing that is sent now has been carried out before.
    pub(super) head: Position,
}

pub(super) enum Kind<S: Saga> {
    Begin(Reaction<S>),
    Event {
        heard: Heard,
        /// One, unless the event has been upcast to several.
        reactions: Vec<(Concern, Reaction<S>)>,
    },
    Answer {
        effect: EffectId,
        told: CommandOutcome,
        reaction: Reaction<S>,
    },
    Due(EffectId),
    Poison {
        trouble: Trouble,
        keys: Vec<String>,
    },
    /// While it is in trouble, it is known as these.
    Know(Vec<String>),
    Retry,
    Skip,
    Cancel(String),
}

impl<S: Saga> Kind<S> {
    /// Whether it concerns an instance only if there was none of its name.
    pub(super) fn creates(&self) -> bool {
        match self {
            Self::Begin(_) => true,
            Self::Event { reactions, .. } => {
                reactions.iter().all(|(concern, _)| concern.starts && !concern.continues)
            }
            _ => false,
        }
    }
}

/// An event that concerns an instance.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) stream: String,
    pub(super) event_type: String,
    pub(super) position: Position,
    pub(super) keys: Vec<String>,
}

/// Which instances an event concerns: new ones, or those that there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Concern {
    pub(super) starts: bool,
    pub(super) continues: bool,
}

impl Concern {
    pub(super) fn of(correlation: &Correlation) -> Self {
        Self { starts: correlation.starts(), continues: correlation.continues() }
    }
}

impl<S: Saga> Aggregate for Instance<S> {
    const TYPE: &'static str = S::TYPE;
    const STATE_VERSION: u32 = S::STATE_VERSION;
    type Command = Ask<S>;
    type Event = Stepped<S>;
    type Error = Refused;

    fn decide(&self, ask: Ask<S>, context: &Context) -> Result<Vec<Stepped<S>>, Refused> {
        let Ask { kind, targets, head } = ask;
        let draft = Draft::of((&self.saga, &self.instance_state), &targets, head, context);
        let finished = match kind {
            Kind::Begin(reaction) => self.begin(draft, reaction)?,
            Kind::Event { heard, reactions } => self.hear(draft, heard, reactions)?,
            Kind::Answer { effect, told, reaction } => self.note(draft, effect, told, reaction)?,
            Kind::Due(deadline) => self.come_due(draft, deadline)?,
            Kind::Poison { trouble, keys } => self.poison(draft, trouble, keys),
            Kind::Know(keys) => self.know(draft, keys)?,
            Kind::Retry => self.retry(draft)?,
            Kind::Skip => self.skip(draft)?,
            Kind::Cancel(why) => self.cancel(draft, why)?,
        };
        Ok(finished.into_iter().collect())
    }

    fn apply(&mut self, Stepped::Stepped { saga, step }: &Stepped<S>) {
        self.saga = saga.clone();
        self.instance_state.take(step);
    }

    fn schema_version(_: &str) -> u32 {
        S::SCHEMA_VERSION
    }

    fn upcasters() -> Upcasters {
        stored::upcasters(S::upcasters())
    }
}

/// What follows, if it concerns the instance.
type Finished<S> = Result<Option<Stepped<S>>, Refused>;

impl<S: Saga> Instance<S> {
    /// The commands that the last step has sent. Once it compensates, all that are on their way: those
    /// that nobody is at work on have to be given up, or found to be carried out.
    pub(super) fn to_carry(&self) -> Vec<Open> {
        let is_compensating = matches!(self.instance_state.life, Life::Compensating(_));
        let due = |open: &&Open| is_compensating || open.effect.step == self.instance_state.steps;
        self.instance_state.open.iter().filter(due).cloned().collect()
    }

    pub(super) fn status(&self) -> InstanceStatus {
        InstanceStatus::of(&self.instance_state.life, self.instance_state.trouble.as_ref())
    }

    /// Whether a command on its way is not to be sent any more; none if it is not on its way, or its
    /// answer is not taken now.
    pub(super) fn is_abandoned(&self, effect: EffectId) -> Option<bool> {
        let open =
            self.instance_state.open(effect).filter(|_| self.instance_state.trouble.is_none())?;
        Some(self.instance_state.is_abandoned(open))
    }

    fn begin(&self, draft: Draft<'_, S>, reaction: Reaction<S>) -> Finished<S> {
        if self.instance_state.steps > 0 {
            return Ok(None);
        }
        draft.reacting(reaction)?.finish(Input::Begun)
    }

    fn hear(
        &self,
        mut draft: Draft<'_, S>,
        heard: Heard,
        mut reactions: Vec<(Concern, Reaction<S>)>,
    ) -> Finished<S> {
        let Heard { stream, event_type, position, keys } = heard;
        let mut has_begun = self.instance_state.has_begun;
        reactions.retain(|(concern, _)| {
            let concerns = if has_begun { concern.continues } else { concern.starts };
            has_begun |= concerns;
            concerns
        });
        let is_over = self.instance_state.life != Life::Running;
        if reactions.is_empty() || position <= self.instance_state.seen || is_over {
            return Ok(None);
        }
        self.check()?;
        draft.step.keys = keys;
        for (_, reaction) in reactions {
            // What comes behind an end is not heard of any more.
            if draft.step.life == Life::Running {
                draft = draft.reacting(reaction)?;
            }
        }
        draft.finish(Input::Event { stream, event_type, position })
    }

    fn note(
        &self,
        mut draft: Draft<'_, S>,
        effect: EffectId,
        told: CommandOutcome,
        reaction: Reaction<S>,
    ) -> Finished<S> {
        let Some(open) = self.instance_state.open(effect) else { return Ok(None) };
        self.check()?;
        draft.is_quiet = self.instance_state.muted == Some(effect);
        let reacts = self.instance_state.life == Life::Running && !open.is_undo && !draft.is_quiet;
        if let (CommandOutcome::Rejected(why), true) = (&told, open.is_undo) {
            draft.step.trouble = Some(Trouble { at: At::Undo, why: why.clone() });
        } else if reacts {
            draft = draft.reacting(reaction)?;
        }
        draft.finish(Input::Answered { effect, told })
    }

    fn come_due(&self, mut draft: Draft<'_, S>, deadline: EffectId) -> Finished<S> {
        let Some(scheduled) = self.instance_state.deadline(deadline) else { return Ok(None) };
        self.check()?;
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
        if self.instance_state.trouble.is_some() || self.instance_state.is_over() {
            return None;
        }
        draft.step.trouble = Some(trouble);
        draft.step.keys = keys;
        draft.finish(Input::Poisoned).ok().flatten()
    }

    fn know(&self, mut draft: Draft<'_, S>, keys: Vec<String>) -> Finished<S> {
        if self.instance_state.trouble.is_none() {
            return Ok(None);
        }
        draft.step.keys = keys;
        draft.finish(Input::Known)
    }

    fn retry(&self, mut draft: Draft<'_, S>) -> Finished<S> {
        if self.instance_state.trouble.is_none() {
            return Ok(None);
        }
        draft.step.trouble = None;
        draft.finish(Input::Retried)
    }

    fn skip(&self, mut draft: Draft<'_, S>) -> Finished<S> {
        if self.instance_state.trouble.is_none() {
            return Ok(None);
        }
        draft.step.trouble = None;
        if !self.instance_state.has_begun {
            draft.step.life = Life::Failed("its first event was skipped".to_owned());
        }
        draft.finish(Input::Skipped)
    }

    fn cancel(&self, mut draft: Draft<'_, S>, why: String) -> Finished<S> {
        if !self.instance_state.has_begun || self.instance_state.life != Life::Running {
            return Ok(None);
        }
        draft.step.trouble = None;
        draft = draft.reacting(Box::new(move |saga| saga.cancelled(&why)))?;
        if draft.step.life == Life::Running { Ok(None) } else { draft.finish(Input::Cancelled) }
    }

    /// # Errors
    /// While something is the matter, nothing is taken.
    fn check(&self) -> Result<(), Refused> {
        match &self.instance_state.trouble {
            Some(trouble) => Err(Refused::Troubled(trouble.why.clone())),
            None => Ok(()),
        }
    }
}
