use actuarius_domain::{Id, Position, Saga, Timestamp, Version};
use actuarius_persistence::Page;

use super::instance::Instance;
use super::status::InstanceStatus;
use super::stored::{CommandOutcome, Due, Input, Outgoing, Scheduled, Step, Stepped};
use crate::schema::decoding::{Decoder, Undecodable};

/// One step of an instance: what it heard, and what followed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaStep<S> {
    /// Its number: 1, 2, 3 …
    pub number: u64,
    /// Where it is in the log.
    pub position: Position,
    /// When it was taken.
    pub time: Timestamp,
    /// What the instance heard, in words.
    pub heard: String,
    /// What followed, in words.
    pub effects: Vec<String>,
    /// Where the instance was in its life behind the step.
    pub status: InstanceStatus,
    /// The state of the saga behind the step.
    pub state: S,
}

/// The steps of a page behind `after`.
pub(super) fn steps<S: Saga>(
    id: &Id<Instance<S>>,
    page: &Page,
    after: Version,
) -> Result<Vec<SagaStep<S>>, Undecodable> {
    let (decoder, mut steps) = (Decoder::new(), Vec::new());
    for commit in &page.commits {
        let commit = commit.view();
        for event in commit.events().filter(|event| event.version > after) {
            for envelope in decoder.envelopes(id, &commit, &event)? {
                let Stepped::Stepped { saga, step } = envelope.event;
                let header = &envelope.header;
                steps.push(shown((header.version, header.position, header.time), saga, &step));
            }
        }
    }
    Ok(steps)
}

/// A step that stands there in its stream and in the log, in words.
pub(super) fn shown<S>(
    (version, position, time): (Version, Position, Timestamp),
    state: S,
    step: &Step,
) -> SagaStep<S> {
    SagaStep {
        number: version.get(),
        position,
        time,
        heard: heard(&step.input),
        effects: effects(step),
        status: InstanceStatus::of(&step.life, step.trouble.as_ref()),
        state,
    }
}

fn heard(input: &Input) -> String {
    match input {
        Input::Begun => "it was begun".to_owned(),
        Input::Event { stream, event_type, position } => {
            format!("{event_type} of {stream} at position {position}")
        }
        Input::Answered { effect, told } => {
            let command = format!("command {}.{}", effect.step, effect.index);
            match told {
                CommandOutcome::Accepted { version, .. } => {
                    format!("{command} accepted, version {version}")
                }
                CommandOutcome::Rejected(why) => format!("{command} rejected: {why}"),
                CommandOutcome::Abandoned => format!("{command} was never carried out"),
            }
        }
        Input::Due { deadline } => {
            format!("deadline {}.{} has come", deadline.step, deadline.index)
        }
        Input::Poisoned => "it was quarantined".to_owned(),
        Input::Known => "it is known as something more".to_owned(),
        Input::Retried => "it is to try again".to_owned(),
        Input::Skipped => "it is to pass over what it stood before".to_owned(),
        Input::Cancelled => "it is to undo everything".to_owned(),
    }
}

fn effects(step: &Step) -> Vec<String> {
    let to = |outgoing: &Outgoing| format!("{}/{}", outgoing.aggregate, outgoing.id);
    let sent = step.sent.iter().map(|it| format!("sends {:?} to {}", it.command, to(it)));
    let undone = step.undoes.then(|| "sends the undo of what was accepted last".to_owned());
    let scheduled = step.scheduled.iter().map(|Scheduled { at, what }| match what {
        Due::Remind(name) => format!("deadline {name:?} at {at}"),
        Due::Send(outgoing) => format!("sends {:?} to {} at {at}", outgoing.command, to(outgoing)),
    });
    let cancelled =
        step.cancelled.iter().map(|it| format!("cancels deadline {}.{}", it.step, it.index));
    sent.chain(undone).chain(scheduled).chain(cancelled).collect()
}
