//! Changes the positions in stored steps, without the type of their saga.

use actuarius_domain::Position;
use actuarius_persistence::migrate::Moves;
use actuarius_persistence::{Codec, CodecError, EncodedEvent, EventView};
use serde::Serialize;
use serde::de::IgnoredAny;

use super::in_place::InPlace;
use super::stepped::{STEPPED_IN_PLACE, Stepped, is_step};
use super::stored::{At, CommandOutcome, Input, Step};

/// A stored event as a step.
pub(super) enum AsStep {
    Step(Box<Step>),
    /// It is an event of another aggregate.
    Other,
    /// Only the type of its saga can tell.
    Unknown,
}

impl AsStep {
    pub(super) fn of(event: &EncodedEvent) -> Self {
        if !is_step(&event.event_type) {
            return Self::Other;
        }
        match Codec::from_byte(event.codec_byte()) {
            Ok(codec) if codec != Codec::Bincode => match decoded(event, codec) {
                Ok(step) => Self::Step(Box::new(step)),
                Err(_) => Self::Other,
            },
            _ => Self::Unknown,
        }
    }
}

fn decoded(event: &EncodedEvent, codec: Codec) -> Result<Step, CodecError> {
    let name = &event.event_type;
    let view = EventView::detached(name, event.schema_version, codec, event.payload());
    Ok(view.decode::<Stepped<IgnoredAny>>()?.into_parts().1)
}

/// Returns a step with its positions moved. The state of the saga stays byte by byte, and what the saga has recorded
/// in it cannot be changed.
///
/// # Errors
/// Returns why the positions cannot be changed.
pub(super) fn moved(
    event: &EncodedEvent,
    before: &Step,
    moves: &Moves,
) -> Result<EncodedEvent, String> {
    let codec = Codec::from_byte(event.codec_byte()).map_err(|error| error.to_string())?;
    let after = step_moved(before, moves);
    if event.event_type == STEPPED_IN_PLACE {
        let payload = encoded(codec, &InPlace(after))?;
        return Ok(EncodedEvent::new(STEPPED_IN_PLACE, event.schema_version, codec, payload));
    }
    let (old, new) = (encoded(codec, before)?, encoded(codec, &after)?);
    // The step is the last field.
    let end = match codec {
        Codec::Json => event.payload().iter().rposition(|byte| *byte != b'}'),
        _ => None,
    };
    let braces = end.map_or(0, |last| event.payload().len() - 1 - last);
    let own_braces = old.iter().rev().take_while(|byte| **byte == b'}').count();
    let closing = if codec == Codec::Json { braces.saturating_sub(own_braces) } else { 0 };
    let (body, closing) = event.payload().split_at(event.payload().len() - closing);
    let state = body.strip_suffix(&old[..]).ok_or("it was encoded in another way")?;
    let payload = [state, &new, closing].concat();
    let moved = EncodedEvent::new(event.event_type.clone(), event.schema_version, codec, payload);
    match decoded(&moved, codec) {
        Ok(step) if step == after => Ok(moved),
        _ => Err("it does not read back".to_owned()),
    }
}

fn encoded<T: Serialize>(codec: Codec, value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn step_moved(before: &Step, moves: &Moves) -> Step {
    let mut step = before.clone();
    let to = |position: &mut Position| *position = moves.moved(*position);
    to(&mut step.as_of);
    match &mut step.input {
        Input::Event { position, .. }
        | Input::EventFor { position, .. }
        | Input::KnownSince { position }
        | Input::Answered { outcome: CommandOutcome::Accepted { position, .. }, .. } => {
            to(position);
        }
        Input::Begun
        | Input::BegunFor { .. }
        | Input::Answered { .. }
        | Input::Due { .. }
        | Input::Poisoned
        | Input::Known
        | Input::Retried
        | Input::Skipped
        | Input::Cancelled
        | Input::CancelledFor { .. } => {}
    }
    if let Some(At::Event(position)) = step.trouble.as_mut().map(|trouble| &mut trouble.at) {
        to(position);
    }
    step
}
