//! What an instance stores: one step for each input, with everything that follows from it. A step is
//! one event and so one commit: state, outbox and deadlines are durable together, or not at all.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actuarius_domain::{CommandId, Position, Timestamp, Version};
use actuarius_persistence::{Codec, CodecError, RecordedShape};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::origin::{MaybeOrigin, Origin};
use crate::schema::shape::{Unknown, has_catch_all, is_self_describing, shape};

impl Step {
    /// Creates a step of which nothing follows but that it was taken.
    pub(super) fn of(input: Input, as_of: Position) -> Self {
        Self {
            input,
            as_of,
            life: Life::Running,
            trouble: None,
            sent: Vec::new(),
            undoes: false,
            scheduled: Vec::new(),
            cancelled: Vec::new(),
            keys: Vec::new(),
            open: 0,
        }
    }

    /// Returns the position from which on it counts which keys the instance has: that of its event. Other inputs have
    /// none, so the position of the step counts.
    pub(super) fn since(&self, position: Position) -> Position {
        match (&self.input, &self.trouble) {
            (
                Input::Event { position, .. }
                | Input::EventFor { position, .. }
                | Input::KnownSince { position },
                _,
            ) => *position,
            (Input::Poisoned, Some(Trouble { at: At::Event(position), .. })) => *position,
            _ => position,
        }
    }
}

/// The input of an instance, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(super) input: Input,
    /// The end of the log when the step was decided: what it sends was not carried out up to here.
    pub(super) as_of: Position,
    pub(super) life: Life,
    pub(super) trouble: Option<Trouble>,
    pub(super) sent: Vec<Arc<Outgoing>>,
    /// Whether the step sends the undo of the last accepted command, too.
    pub(super) undoes: bool,
    pub(super) scheduled: Vec<Scheduled>,
    pub(super) cancelled: Vec<EffectId>,
    /// Keys under which events find the instance from here on.
    pub(super) keys: Vec<String>,
    /// How many commands are open after the step.
    pub(super) open: u64,
}

/// The input of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Input {
    Begun,
    Event {
        stream: String,
        event_type: String,
        position: Position,
    },
    Answered {
        effect: EffectId,
        #[serde(rename = "told")]
        outcome: CommandOutcome,
    },
    Due {
        deadline: EffectId,
    },
    Poisoned,
    /// The instance received further keys. Only earlier releases have stored it.
    Known,
    Retried,
    Skipped,
    Cancelled,
    /// The instance received the keys of an event at this position, which waits to be handled.
    KnownSince {
        position: Position,
    },
    /// As `Begun`, by a call with metadata.
    BegunFor {
        origin: Arc<Origin>,
    },
    /// As `Event`, of an event with metadata.
    EventFor {
        stream: String,
        event_type: String,
        position: Position,
        origin: Arc<Origin>,
    },
    /// As `Cancelled`, by a call with metadata.
    CancelledFor {
        origin: Arc<Origin>,
    },
}

impl Input {
    pub(super) fn begun(origin: MaybeOrigin) -> Self {
        origin.map_or(Self::Begun, |origin| Self::BegunFor { origin })
    }

    pub(super) fn event(
        (stream, event_type): (String, String),
        position: Position,
        origin: MaybeOrigin,
    ) -> Self {
        match origin {
            Some(origin) => Self::EventFor { stream, event_type, position, origin },
            None => Self::Event { stream, event_type, position },
        }
    }

    pub(super) fn cancelled(origin: MaybeOrigin) -> Self {
        origin.map_or(Self::Cancelled, |origin| Self::CancelledFor { origin })
    }
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum CommandOutcome {
    Accepted {
        version: Version,
        position: Position,
    },
    Rejected(String),
    /// It was never carried out, and will not be.
    Abandoned,
}

/// Identifies an effect within its instance, permanently: the step it followed from, and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct EffectId {
    pub(super) step: u64,
    pub(super) index: u32,
}

impl EffectId {
    /// Returns the id of the command of an effect: always the same one.
    pub(super) fn command(self, saga: &str, id: &str) -> CommandId {
        CommandId::from(format!("saga/{saga}/{id}/{}/{}", self.step, self.index))
    }
}

/// A command to be sent, or sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outgoing {
    pub(super) aggregate: Cow<'static, str>,
    pub(super) id: Arc<str>,
    pub(super) command: Payload,
    pub(super) undo: Option<Payload>,
}

impl Outgoing {
    /// Returns the command that undoes it, if there is one.
    pub(super) fn undoing(&self) -> Option<Self> {
        let command = self.undo.clone()?;
        Some(Self { aggregate: self.aggregate.clone(), id: self.id.clone(), command, undo: None })
    }
}

/// A deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) at: Timestamp,
    pub(super) what: Due,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Due {
    /// The saga reacts to it, by this name.
    Remind(Payload),
    /// A command is sent.
    Send(Arc<Outgoing>),
}

/// The stage of an instance between its start and its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Life {
    #[default]
    Running,
    Compensating(String),
    Completed,
    Compensated(String),
    Failed(String),
}

impl Life {
    /// Whether the instance has ended, except for outcomes that are still to be recorded.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Completed | Self::Compensated(_) | Self::Failed(_))
    }
}

/// Why an instance takes no input until it is retried, skipped or cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) at: At,
    pub(super) why: String,
}

/// What an instance is blocked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum At {
    Event(Position),
    Answer(EffectId),
    Deadline(EffectId),
    /// The last undo was rejected.
    Undo,
    /// A command that cannot be delivered: its aggregate was deleted permanently, or it does not decode.
    Delivery(EffectId),
    /// An operator asked to try the first event again. Until an event begins the instance, it has not begun.
    FirstEvent,
}

/// A value of any type, stored with the codec that reads it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Payload {
    Bytes(u8, Vec<u8>),
    Json(String),
    /// For a codec that is not self-describing: with the shape of the type, which must be today's.
    Shaped {
        codec: u8,
        shape: String,
        bytes: Vec<u8>,
    },
}

/// The longest shape that is stored whole with a payload; of a longer one, a hash is stored.
const SHAPE_BYTES_MAX: usize = 1_024;

impl Payload {
    /// Encodes a value that is stored with an instance, and read when it is due.
    ///
    /// # Errors
    /// The value cannot be encoded, or its bytes do not read back.
    pub(super) fn of<T>(codec: Codec, value: &T) -> Result<Self, CodecError>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let mut bytes = Vec::new();
        codec.encode_checked(value, &mut bytes)?;
        if !is_self_describing(codec) {
            let shape = brief::<T>().map_err(|unknown| CodecError::UnknownShape {
                name: type_name::<T>().to_owned(),
                why: unknown.to_string(),
                codec,
            })?;
            return Ok(Self::Shaped { codec: codec.byte(), shape, bytes });
        }
        if codec != Codec::Json {
            return Ok(Self::Bytes(codec.byte(), bytes));
        }
        let text = String::from_utf8(bytes);
        text.map(Self::Json).map_err(|error| CodecError::Encode(error.to_string()))
    }

    /// Whether the value, read as a `T` of today and encoded again, has the bytes of `other`.
    pub(super) fn is_now<T>(&self, codec: Codec, other: &Self) -> bool
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let mut bytes = Vec::new();
        let encoded = self.decode::<T>().and_then(|value| codec.encode(&value, &mut bytes));
        encoded.is_ok() && bytes == other.bytes()
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(_, bytes) | Self::Shaped { bytes, .. } => bytes,
            Self::Json(text) => text.as_bytes(),
        }
    }

    pub(super) fn decode<T: DeserializeOwned + 'static>(&self) -> Result<T, CodecError> {
        match self {
            Self::Shaped { codec, shape, bytes } => {
                check_shape::<T>(shape)?;
                Codec::from_byte(*codec)?.decode(bytes)
            }
            Self::Bytes(codec, bytes) => Codec::from_byte(*codec)?.decode(bytes),
            Self::Json(text) => Codec::Json.decode(text.as_bytes()),
        }
    }
}

/// Returns the shape of a type as it is stored with its values.
fn brief<T: DeserializeOwned + 'static>() -> Result<String, Unknown> {
    let words = shape::<T>().words?;
    match words.len() <= SHAPE_BYTES_MAX {
        true => Ok(words.to_string()),
        false => Ok(hashed(&words)),
    }
}

fn hashed(words: &str) -> String {
    format!("#{:032x}", xxh3_128(words.as_bytes()))
}

/// Checks that values stored with this shape are read as the same values today.
fn check_shape<T: DeserializeOwned + 'static>(recorded: &str) -> Result<(), CodecError> {
    let current = match shape::<T>().words {
        // Compared with all words, of which a longer shape stores none.
        Ok(words) if RecordedShape::reads(recorded, &words) || recorded == hashed(&words) => {
            return Ok(());
        }
        // A later release has stored it.
        Ok(words) if RecordedShape::reads(&words, recorded) && !has_catch_all::<T>() => {
            return Ok(());
        }
        Ok(words) => words.to_string(),
        Err(unknown) => format!("one that is not known, because {unknown}"),
    };
    let (type_name, recorded) = (type_name::<T>(), recorded.to_owned());
    Err(CodecError::OtherCommandShape { type_name, recorded, current })
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_, bytes) | Self::Shaped { bytes, .. } => {
                write!(formatter, "{} bytes", bytes.len())
            }
            Self::Json(text) => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests;
