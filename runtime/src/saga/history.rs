//! The steps of an instance as they are shown to a user.

use actuarius_domain::{Id, Position, Saga, Timestamp, Version};
use actuarius_persistence::{CodecError, Page};

use super::instance::Instance;
use super::status::InstanceStatus;
use super::stored::{CommandOutcome, Due, Input, Outgoing, Scheduled, Step};
use crate::schema::decoding::{Decoder, Undecodable};

/// One step of an instance: its input, and what followed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaStep<S> {
    /// The number of the step: 1, 2, 3 …
    pub number: u64,
    /// The position of the step in the log.
    pub position: Position,
    /// When the step was taken.
    pub time: Timestamp,
    /// The input, in words.
    pub input: String,
    /// The effects, in words.
    pub effects: Vec<String>,
    /// The status of the instance after the step.
    pub status: InstanceStatus,
    /// The state of the saga after the step.
    pub state: S,
}

/// Returns the steps of a page after the version `after`. `state` is the state before the page and, afterwards, the one
/// after it.
pub(super) fn steps<S: Saga>(
    decoder: Decoder<Instance<S>>,
    id: &Id<Instance<S>>,
    page: &Page,
    after: Version,
    state: &mut Option<S>,
) -> Result<Vec<SagaStep<S>>, Undecodable> {
    let mut steps = Vec::new();
    for commit in &page.commits {
        let commit = commit.view();
        for event in commit.events() {
            for envelope in decoder.envelopes(id, &commit, &event)? {
                let (saga, step) = envelope.event.into_parts();
                *state = saga.or(state.take());
                if event.version > after {
                    let unknown = || Undecodable::of(&commit, &event, without_state());
                    let saga = state.clone().ok_or_else(unknown)?;
                    let header = &envelope.header;
                    steps.push(shown((header.version, header.position, header.time), saga, &step));
                }
            }
        }
    }
    Ok(steps)
}

/// The error of a step that left the state as it was, if the steps before it are missing.
pub(super) fn without_state() -> CodecError {
    CodecError::Decode(
        "the step left the state as it was, and the steps before it are missing".into(),
    )
}

/// Describes a step with its version, position and time.
pub(super) fn shown<S>(
    (version, position, time): (Version, Position, Timestamp),
    state: S,
    step: &Step,
) -> SagaStep<S> {
    SagaStep {
        number: version.get(),
        position,
        time,
        input: describe(&step.input),
        effects: effects(step),
        status: InstanceStatus::of(&step.life, step.trouble.as_ref()),
        state,
    }
}

fn describe(input: &Input) -> String {
    match input {
        Input::Begun | Input::BegunFor { .. } => "it was begun".to_owned(),
        Input::Event { stream, event_type, position }
        | Input::EventFor { stream, event_type, position, .. } => {
            format!("{event_type} of {stream} at position {position}")
        }
        Input::Answered { effect, outcome } => {
            let command = format!("command {}.{}", effect.step, effect.index);
            match outcome {
                CommandOutcome::Accepted { version, .. } => {
                    format!("{command} accepted, version {version}")
                }
                CommandOutcome::Rejected(why) => format!("{command} rejected: {why}"),
                CommandOutcome::Abandoned => format!("{command} was never carried out"),
            }
        }
        Input::Due { deadline } => {
            format!("deadline {}.{} is due", deadline.step, deadline.index)
        }
        Input::Poisoned => "it was quarantined".to_owned(),
        Input::Known | Input::KnownSince { .. } => "it received further keys".to_owned(),
        Input::Retried => "it was retried".to_owned(),
        Input::Skipped => "it skipped what it was blocked on".to_owned(),
        Input::Cancelled | Input::CancelledFor { .. } => "it was cancelled".to_owned(),
    }
}

fn effects(step: &Step) -> Vec<String> {
    let to = |outgoing: &Outgoing| format!("{}/{}", outgoing.aggregate, outgoing.id);
    let sent = step.sent.iter().map(|it| format!("sends {:?} to {}", it.command, to(it)));
    let undone = step.undoes.then(|| "sends the undo of the last accepted command".to_owned());
    let scheduled = step.scheduled.iter().map(|Scheduled { at, what }| match what {
        Due::Remind(name) => format!("deadline {name:?} at {at}"),
        Due::Send(outgoing) => format!("sends {:?} to {} at {at}", outgoing.command, to(outgoing)),
    });
    let cancelled =
        step.cancelled.iter().map(|it| format!("cancels deadline {}.{}", it.step, it.index));
    sent.chain(undone).chain(scheduled).chain(cancelled).collect()
}
