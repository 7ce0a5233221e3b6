//! Errors of codecs.

use thiserror::Error;

use super::Codec;
use super::nesting::{LEVELS_MAX, take_exceeded};
use super::quiet::without_values;
use crate::personal::error::PersonalError;
use crate::personal::scope;

/// Why an event or a state did not encode or decode. Nothing was written or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The event type is not an externally tagged enum (serde's default for enums).
    #[error("an event must be an enum with serde's default, external tagging; found {found}")]
    NotAnEnum {
        /// The kind of value found.
        found: &'static str,
    },
    /// The commit would be larger than [`COMMIT_BYTES_MAX`](crate::COMMIT_BYTES_MAX).
    #[error("the events of one command take more than {} bytes", crate::COMMIT_BYTES_MAX)]
    TooLarge,
    /// The value is nested too deeply: more than 127 levels of sequences, maps, structs, tuples and
    /// variants, or more than 127 options and newtypes. Deeper values could overflow a stack. (bincode and
    /// MessagePack read up to 1,023 levels, as long as they take at most 1 MiB of stack, because earlier
    /// releases had no bound.)
    #[error("the value is nested too deeply: at most {LEVELS_MAX} levels can be stored")]
    TooDeep,
    /// The value could not be encoded.
    #[error("not encodable: {0}")]
    Encode(String),
    /// The value was encoded, but its bytes do not decode to the same value, so it was not stored. Use
    /// another codec, or change how the type is serialized.
    #[error("`{name}` does not read back with the codec {codec:?}: {reason}")]
    DoesNotReadBack {
        /// The event type, or the Rust type of another value.
        name: String,
        /// The codec that wrote the bytes.
        codec: Codec,
        /// What is wrong: how the bytes fail to decode, or that they decode to another value.
        reason: String,
    },
    /// The bytes could not be decoded: another shape, or an unknown variant. The text names types, fields and what
    /// was expected, and no values, which may be personal data. A text of your own `Deserialize` is left out.
    #[error("not decodable: {0}")]
    Decode(String),
    /// The program has no event type of this name.
    #[error(
        "there is no event type `{event_type}`: if it was renamed or removed, use `#[serde(alias)]` or an upcaster"
    )]
    UnknownEventType {
        /// The name of the stored event's variant.
        event_type: String,
    },
    /// The event has another schema version than the program writes for its type, and there is no
    /// upcaster for it.
    #[error("`{event_type}` has schema version {current}, and no upcaster reads version {stored}")]
    MissingUpcaster {
        /// The name of the variant.
        event_type: String,
        /// The stored version, or the version that an upcaster returned.
        stored: u32,
        /// The current version.
        current: u32,
    },
    /// The event was stored by a codec that is not self-describing, from a type with another shape than today's.
    /// Its bytes could be read as other values, so they are not read, and no more such events are written. Raise
    /// the schema version of the event type and add an upcaster, or restore the former shape.
    #[error(
        "`{name}`, schema version {schema_version}, is recorded in the store with the shape {recorded} and \
         has the shape {current} in this program: raise its schema version and add an upcaster for \
         version {schema_version}"
    )]
    OtherShape {
        /// The name of the variant.
        name: String,
        /// The schema version of that variant.
        schema_version: u32,
        /// The shape that is recorded in the store.
        recorded: String,
        /// The shape in this program.
        current: String,
    },
    /// A command or a deadline of a saga was stored by a codec that is not self-describing, from a type with
    /// another shape than today's, so it is not read. Restore the former shape until the open instances have
    /// ended, or cancel them. A saga with MessagePack, the default, can read more changes.
    #[error(
        "a command or deadline of a saga, of the type {type_name}, was stored with the shape {recorded} and has \
         the shape {current} in this program: restore it until the open instances have ended, or cancel them"
    )]
    OtherCommandShape {
        /// The Rust type.
        type_name: &'static str,
        /// The shape that is stored with it.
        recorded: String,
        /// The shape in this program.
        current: String,
    },
    /// The event was stored by a codec that is not self-describing, and its upcaster reads another shape than the
    /// one that is recorded, so it would read other values. Correct the type that the upcaster reads.
    #[error(
        "`{event_type}`, schema version {schema_version}, is recorded in the store with the shape {recorded}, \
         and its upcaster reads {reads}"
    )]
    UpcasterReadsOtherShape {
        /// The name of the variant.
        event_type: String,
        /// The stored schema version.
        schema_version: u32,
        /// The shape that is recorded in the store.
        recorded: String,
        /// The shape that the upcaster reads.
        reads: String,
    },
    /// The codec is not self-describing, and a part of the type's shape cannot be seen. A change of that part
    /// would not be noticed, and stored bytes would be read as other values. Choose another
    /// codec: [`Codec::MessagePack`] or [`Codec::Json`].
    #[error(
        "the shape of `{name}` is not known, because {why}: {codec:?} cannot be used, use MessagePack or JSON"
    )]
    UnknownShape {
        /// The name of the variant, or of the type.
        name: String,
        /// Which part cannot be seen, and why.
        why: String,
        /// The codec that was to encode it.
        codec: Codec,
    },
    /// Upcasters form a cycle.
    #[error("the upcasters of `{event_type}`, schema version {schema_version}, form a cycle")]
    EndlessUpcasters {
        /// The name of the variant.
        event_type: String,
        /// The version at which the cycle was detected.
        schema_version: u32,
    },
    /// Upcasters return more events for one stored event than is allowed.
    #[error("upcasters return more than {most} events for one stored event")]
    TooManyParts {
        /// The largest allowed number.
        most: usize,
    },
    /// A [`Personal`](crate::Personal) value in it could not be written or read.
    #[error(transparent)]
    Personal(PersonalError),
    /// The codec is not part of this build. Enable the feature of its name.
    #[error("the codec {0:?} is not part of this build: enable the feature `{feature}` of `actuarius`", feature = .0.feature())]
    NotEnabled(Codec),
    /// A codec this release does not know wrote the bytes.
    #[error("written with the unknown codec {0}")]
    UnknownCodec(u8),
}

impl CodecError {
    pub(super) fn encode(error: &dyn std::fmt::Display) -> Self {
        Self::classified(&error.to_string(), Self::Encode)
    }

    /// Takes an error whose text may quote a value.
    pub(super) fn decode(error: &dyn std::fmt::Display) -> Self {
        Self::classified(&error.to_string(), |text| Self::Decode(without_values(&text)))
    }

    /// Takes an error of a codec about bytes, which has no values.
    pub(super) fn malformed(error: &dyn std::fmt::Display) -> Self {
        Self::classified(&error.to_string(), Self::Decode)
    }

    /// serde keeps only the texts of errors.
    fn classified(text: &str, other: fn(String) -> Self) -> Self {
        if take_exceeded() {
            return Self::TooDeep;
        }
        scope::take_failure(text).map_or_else(|| other(text.to_owned()), Self::Personal)
    }
}
