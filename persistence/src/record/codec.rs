//! Typed event ↔ name and bytes.
//!
//! The name of an event is its serde variant name and stands in the header; the payload is the
//! variant's content alone. So reordering variants is harmless with every codec, and no macro or
//! hand-written table of names is needed.

mod content;
mod variant;

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use content::Content;
use variant::Variant;

use crate::personal::error::PersonalError;
use crate::personal::scope;

/// How payloads are written. Each stored event and snapshot says which codec wrote it, so a type
/// may change its codec at any time: old and new live side by side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// bincode 2: smallest and fastest; not self-describing, so a changed event needs a new schema
    /// version.
    #[default]
    Bincode,
    /// JSON: readable everywhere; unknown fields are ignored, new fields may have a serde default.
    Json,
    /// MessagePack with field names: as forgiving as JSON, at two thirds of the size.
    MessagePack,
}

/// Why an event or a state did not encode or decode. Nothing was written or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The event type is not an externally tagged enum (serde's default for enums).
    #[error("an event must be an enum with serde's default, external tagging; found {found}")]
    NotAnEnum {
        /// What it is.
        found: &'static str,
    },
    /// The commit would be larger than [`COMMIT_BYTES_MAX`](crate::COMMIT_BYTES_MAX).
    #[error("the events of one command take more than {} bytes", crate::COMMIT_BYTES_MAX)]
    TooLarge,
    /// The value could not be encoded.
    #[error("not encodable: {0}")]
    Encode(String),
    /// The bytes could not be decoded: another shape, or an unknown variant.
    #[error("not decodable: {0}")]
    Decode(String),
    /// The event's type is none of those that the program knows.
    #[error("there is no event type `{event_type}`")]
    UnknownEventType {
        /// The name of the stored event's variant.
        event_type: String,
    },
    /// The event has another schema version than events of its type have today, and nothing says how
    /// such a one is read.
    #[error(
        "`{event_type}` has schema version {current} today, and no upcaster reads version {stored}"
    )]
    MissingUpcaster {
        /// The name of the variant.
        event_type: String,
        /// The version that is stored, or that an upcaster has made.
        stored: u32,
        /// The version of today.
        current: u32,
    },
    /// Upcasters lead back to where they began.
    #[error(
        "the upcasters of `{event_type}`, schema version {schema_version}, go round in a circle"
    )]
    EndlessUpcasters {
        /// The name of the variant.
        event_type: String,
        /// Its version, where it was noticed.
        schema_version: u32,
    },
    /// Upcasters make more of one event than can be right.
    #[error("upcasters make more than {most} events of one")]
    TooManyParts {
        /// How many it may become.
        most: usize,
    },
    /// A [`Personal`](crate::Personal) value in it could not be written or read.
    #[error(transparent)]
    Personal(PersonalError),
    /// A codec this release does not know wrote the bytes.
    #[error("written with the unknown codec {0}")]
    UnknownCodec(u8),
}

impl CodecError {
    fn encode(error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        scope::failure(&text).map_or(Self::Encode(text), Self::Personal)
    }

    fn decode(error: &dyn std::fmt::Display) -> Self {
        let text = error.to_string();
        scope::failure(&text).map_or(Self::Decode(text), Self::Personal)
    }
}

/// How much bincode may claim while it decodes: of bytes of another shape it takes anything for the
/// length of a text, and allocates that much before it looks whether it is there, which ends the
/// process. What is claimed is up to 16 times what is stored, because a number of one byte counts as
/// 16. What is not there is only asked for, never touched.
const SMALL_BYTES: usize = 64 * 1024;
const SMALL_CLAIM: usize = 32 * SMALL_BYTES;
const LARGE_CLAIM: usize = u32::MAX as usize;

impl Codec {
    /// The byte that stands for the codec on disk.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Bincode => 1,
            Self::Json => 2,
            Self::MessagePack => 3,
        }
    }

    /// The codec a byte on disk stands for.
    ///
    /// # Errors
    /// [`CodecError::UnknownCodec`].
    pub fn from_byte(byte: u8) -> Result<Self, CodecError> {
        match byte {
            1 => Ok(Self::Bincode),
            2 => Ok(Self::Json),
            3 => Ok(Self::MessagePack),
            unknown => Err(CodecError::UnknownCodec(unknown)),
        }
    }

    /// Appends an event's content to `out` and returns the name of its variant.
    ///
    /// # Errors
    /// [`CodecError`]; `out` may then hold a part of the content.
    pub fn encode_event<E: Serialize>(
        self,
        event: &E,
        out: &mut Vec<u8>,
    ) -> Result<&'static str, CodecError> {
        let content = Content::of(event);
        let written = self.encode(&content, out);
        match (content.name(), content.misfit()) {
            (_, Some(found)) => Err(CodecError::NotAnEnum { found }),
            (Some(name), None) => written.map(|()| name),
            (None, None) => Err(CodecError::NotAnEnum { found: "a value that is no variant" }),
        }
    }

    /// The event whose variant is `name` and whose content is `bytes`.
    ///
    /// # Errors
    /// [`CodecError::Decode`], or [`CodecError::UnknownEventType`].
    pub fn decode_event<E: DeserializeOwned>(
        self,
        name: &str,
        bytes: &[u8],
    ) -> Result<E, CodecError> {
        let is_known = Cell::new(true);
        let decoded = self.decode_seed(Variant::new(name, &is_known), bytes);
        // What a catch-all variant takes is no error, whatever it is called.
        decoded.map_err(|error| match is_known.get() {
            true => error,
            false => CodecError::UnknownEventType { event_type: name.to_owned() },
        })
    }

    /// Appends any value to `out`.
    ///
    /// # Errors
    /// [`CodecError::Encode`]; `out` may then hold a part of the value.
    pub fn encode<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::Bincode => {
                bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
                    .map(drop)
                    .map_err(|error| CodecError::encode(&error))
            }
            Self::Json => {
                serde_json::to_writer(out, value).map_err(|error| CodecError::encode(&error))
            }
            Self::MessagePack => value
                .serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
                .map_err(|error| CodecError::encode(&error)),
        }
    }

    /// The value written as `bytes`.
    ///
    /// # Errors
    /// [`CodecError::Decode`].
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        self.decode_seed(std::marker::PhantomData::<T>, bytes)
    }

    pub(crate) fn decode_seed<'de, S: serde::de::DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
    ) -> Result<S::Value, CodecError> {
        let failed = |error: &dyn std::fmt::Display| CodecError::decode(error);
        match self {
            Self::Bincode => {
                let standard = bincode::config::standard();
                let decoded = if bytes.len() <= SMALL_BYTES {
                    let config = standard.with_limit::<SMALL_CLAIM>();
                    bincode::serde::seed_decode_from_slice(seed, bytes, config)
                } else {
                    let config = standard.with_limit::<LARGE_CLAIM>();
                    bincode::serde::seed_decode_from_slice(seed, bytes, config)
                };
                let (value, read) = decoded.map_err(|error| failed(&error))?;
                if read < bytes.len() {
                    // A shorter shape would otherwise decode as silently wrong data.
                    return Err(CodecError::Decode("bytes are left over".to_owned()));
                }
                Ok(value)
            }
            Self::Json => {
                let mut json = serde_json::Deserializer::from_slice(bytes);
                let value = seed.deserialize(&mut json).map_err(|error| failed(&error))?;
                json.end().map_err(|error| failed(&error))?;
                Ok(value)
            }
            Self::MessagePack => {
                let mut pack = rmp_serde::Deserializer::from_read_ref(bytes);
                seed.deserialize(&mut pack).map_err(|error| failed(&error))
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

    /// The same events declared in another order, as after an edit of the source.
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

    /// A text of a length nobody has memory for once ended the process.
    #[test]
    fn a_length_that_makes_no_sense_is_refused() {
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
