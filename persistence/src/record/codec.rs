//! Codecs: convert a typed event to a name and bytes, and back.
//!
//! The name of an event is its serde variant name, which is stored in the header; the payload is the
//! content of the variant alone. So variants may be reordered with every codec, and no macro or
//! hand-written table of names is needed.

#[cfg(feature = "bincode")]
mod bincode;
mod checked;
mod content;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
mod variant;

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use content::Content;
use variant::Variant;

use crate::personal::error::PersonalError;
use crate::personal::scope;

/// The encoding of payloads. Each stored event and snapshot records the codec that wrote it, so a type
/// may change its codec at any time, and keeps reading what the old codec wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// bincode 2: the smallest and fastest. It is not self-describing, so a changed event needs a new
    /// schema version.
    Bincode,
    /// JSON: readable as text. Unknown fields are ignored, and new fields may have a serde default.
    Json,
    /// MessagePack with field names: as tolerant of changes as JSON, at two thirds of the size.
    MessagePack,
}

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
    /// The bytes could not be decoded: another shape, or an unknown variant.
    #[error("not decodable: {0}")]
    Decode(String),
    /// The program has no event type of this name.
    #[error("there is no event type `{event_type}`")]
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
    /// The event, or a command of a saga, was stored by a codec that is not self-describing, from a type with
    /// another shape than today's. Its bytes could be read as other values, so they are not read, and no more
    /// such events are written. For an event, raise the schema version of its type and add an upcaster. Or
    /// restore the former shape.
    #[error(
        "`{name}`, schema version {schema_version}, is recorded in the store with the shape {recorded} and \
         has the shape {current} in this program: raise its schema version and add an upcaster for \
         version {schema_version}"
    )]
    OtherShape {
        /// The name of the variant; for a command, the aggregate type that it was sent to.
        name: String,
        /// The schema version. A command always has 1.
        schema_version: u32,
        /// The shape that is recorded in the store.
        recorded: String,
        /// The shape in this program.
        current: String,
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
    #[error("the codec {0:?} is not enabled: add its feature to the build")]
    NotEnabled(Codec),
    /// A codec this release does not know wrote the bytes.
    #[error("written with the unknown codec {0}")]
    UnknownCodec(u8),
}

impl Default for Codec {
    /// Returns bincode, whatever features a build has: in a build without it, name another codec.
    fn default() -> Self {
        Self::Bincode
    }
}

impl CodecError {
    fn encode(error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        scope::take_failure(&text).map_or(Self::Encode(text), Self::Personal)
    }

    fn decode(error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        scope::take_failure(&text).map_or(Self::Decode(text), Self::Personal)
    }
}

impl Codec {
    /// Returns the byte that identifies the codec on disk.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Bincode => 1,
            Self::Json => 2,
            Self::MessagePack => 3,
        }
    }

    /// Returns the codec that a byte on disk identifies.
    ///
    /// # Errors
    /// Returns [`CodecError::UnknownCodec`] if no codec has this byte.
    pub fn from_byte(byte: u8) -> Result<Self, CodecError> {
        match byte {
            1 => Ok(Self::Bincode),
            2 => Ok(Self::Json),
            3 => Ok(Self::MessagePack),
            unknown => Err(CodecError::UnknownCodec(unknown)),
        }
    }

    /// Appends the content of an event to `out` and returns the name of its variant.
    ///
    /// # Errors
    /// Returns [`CodecError`] if the event cannot be encoded; `out` may then contain a part of it.
    pub fn encode_event<E: Serialize>(
        self,
        event: &E,
        out: &mut Vec<u8>,
    ) -> Result<&'static str, CodecError> {
        let content = Content::of(event);
        let written = self.encode(&content, out);
        match (content.name(), content.mismatch()) {
            (_, Some(found)) => Err(CodecError::NotAnEnum { found }),
            (Some(name), None) => written.map(|()| name),
            (None, None) => Err(written
                .err()
                .unwrap_or(CodecError::NotAnEnum { found: "a value that is not a variant" })),
        }
    }

    /// Decodes the event whose variant is `name` and whose content is `bytes`.
    ///
    /// # Errors
    /// Returns [`CodecError::UnknownEventType`] if there is no such variant, and
    /// [`CodecError::Decode`] if its content does not decode.
    pub fn decode_event<E: DeserializeOwned>(
        self,
        name: &str,
        bytes: &[u8],
    ) -> Result<E, CodecError> {
        let is_known = Cell::new(true);
        let decoded = self.decode_seed(Variant::new(name, &is_known), bytes);
        // A catch-all variant accepts any name.
        decoded.map_err(|error| match is_known.get() {
            true => error,
            false => CodecError::UnknownEventType { event_type: name.to_owned() },
        })
    }

    /// Appends any value to `out`.
    ///
    /// # Errors
    /// Returns [`CodecError::Encode`] if it cannot be encoded; `out` may then contain a part of it.
    pub fn encode<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::encode(value, out),
            #[cfg(feature = "json")]
            Self::Json => json::encode(value, out),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => messagepack::encode(value, out),
            #[cfg(not(all(feature = "bincode", feature = "json", feature = "messagepack")))]
            codec => {
                let _ = (value, out);
                Err(CodecError::NotEnabled(codec))
            }
        }
    }

    /// Decodes the value written as `bytes`.
    ///
    /// # Errors
    /// Returns [`CodecError::Decode`] if the bytes do not decode.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        self.decode_seed(std::marker::PhantomData::<T>, bytes)
    }

    pub(crate) fn decode_seed<'de, S: serde::de::DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
    ) -> Result<S::Value, CodecError> {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::decode(seed, bytes),
            #[cfg(feature = "json")]
            Self::Json => json::decode(seed, bytes),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => messagepack::decode(seed, bytes),
            #[cfg(not(all(feature = "bincode", feature = "json", feature = "messagepack")))]
            codec => {
                let _ = (seed, bytes);
                Err(CodecError::NotEnabled(codec))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Unit,
        Newtype(String),
        Tuple(u8, i64),
        Struct { name: String, tags: BTreeMap<String, Option<u32>> },
        Nested(Box<Sample>),
    }

    /// The same events, declared in another order.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Reordered {
        Tuple(u8, i64),
        Unit,
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let leaf = prop_oneof![
            Just(Sample::Unit),
            any::<String>().prop_map(Sample::Newtype),
            any::<(u8, i64)>().prop_map(|(a, b)| Sample::Tuple(a, b)),
            (any::<String>(), any::<BTreeMap<String, Option<u32>>>())
                .prop_map(|(name, tags)| Sample::Struct { name, tags }),
        ];
        leaf.prop_recursive(3, 8, 1, |inner| inner.prop_map(|it| Sample::Nested(Box::new(it))))
    }

    proptest! {
        #[test]
        fn every_event_survives_every_codec(event in sample()) {
            for codec in ALL {
                let mut bytes = Vec::new();
                let name = codec.encode_event(&event, &mut bytes).expect("encodable");
                let back: Sample = codec.decode_event(name, &bytes).expect("decodable");
                prop_assert_eq!(&back, &event);
            }
        }

        #[test]
        fn no_bytes_make_a_codec_panic(name in "[A-Z][a-z]*", bytes: Vec<u8>) {
            for codec in ALL {
                let _ = codec.decode_event::<Sample>(&name, &bytes);
            }
        }
    }

    /// A stored length larger than the memory once aborted the process.
    #[test]
    fn an_absurd_length_is_refused() {
        for length in [u64::MAX, 1 << 62, 1 << 40] {
            let mut bytes = vec![253];
            bytes.extend_from_slice(&length.to_le_bytes());
            assert!(Codec::Bincode.decode::<String>(&bytes).is_err());
            assert!(Codec::Bincode.decode::<Vec<u8>>(&bytes).is_err());
            bytes.resize(100_000, 7);
            assert!(Codec::Bincode.decode::<String>(&bytes).is_err());
        }
    }

    #[test]
    fn reordering_variants_is_harmless() {
        for codec in ALL {
            let mut bytes = Vec::new();
            let name = codec.encode_event(&Sample::Tuple(1, -2), &mut bytes).expect("encodable");
            assert_eq!(name, "Tuple");
            let event: Reordered = codec.decode_event(name, &bytes).expect("decodable");
            assert_eq!(event, Reordered::Tuple(1, -2));
        }
    }

    #[test]
    fn an_unknown_variant_or_leftover_bytes_are_refused() {
        for codec in ALL {
            assert!(codec.decode_event::<Sample>("Missing", b"").is_err());
        }
        let mut bytes = Vec::new();
        Codec::Bincode.encode_event(&Sample::Tuple(1, 2), &mut bytes).expect("encodable");
        bytes.push(0);
        assert!(Codec::Bincode.decode_event::<Sample>("Tuple", &bytes).is_err());
    }

    #[test]
    fn events_that_are_not_tagged_enums_are_refused() {
        #[derive(Serialize)]
        struct Plain {
            field: u8,
        }
        #[derive(Serialize)]
        #[serde(tag = "type")]
        enum Internal {
            Happened { field: u8 },
        }
        for codec in ALL {
            let mut out = Vec::new();
            let plain = codec.encode_event(&Plain { field: 1 }, &mut out);
            assert_eq!(plain, Err(CodecError::NotAnEnum { found: "a struct" }));
            let internal = codec.encode_event(&Internal::Happened { field: 1 }, &mut out);
            assert_eq!(internal, Err(CodecError::NotAnEnum { found: "a struct" }));
        }
    }
}
