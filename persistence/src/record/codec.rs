//! Codecs: convert a typed event to a name and bytes, and back.
//!
//! The name of an event is its serde variant name, which is stored in the header; the payload is the
//! content of the variant alone. So variants may be reordered with every codec, and no macro or
//! hand-written table of names is needed.

#[cfg(feature = "bincode")]
mod bincode;
mod bounded;
mod checked;
mod content;
mod error;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
mod nesting;
pub(crate) mod quiet;
mod sum;
mod variant;
mod walk;

use std::any::type_name;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer};

pub use error::CodecError;

use bounded::Bounded;
use content::Content;
pub(super) use nesting::Level;
use nesting::{reading, reading_bytes};
use sum::Sum;
pub(super) use variant::catch_all;
use variant::{Lookup, Variant};
use walk::walk;

/// The encoding of payloads. Each stored event and snapshot records the codec that wrote it, so a type
/// may change its codec at any time, and keeps reading what the old codec wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// bincode 2: the smallest and fastest, and the default of snapshots, views and rows. It is not
    /// self-describing: a changed event needs a new schema version, and tagged or untagged enums, skipped
    /// fields and `serde_json::Value` cannot be stored with it.
    Bincode,
    /// JSON: readable as text. Unknown fields are ignored, and new fields may have a serde default. It has
    /// no NaN and no infinity, and keys of maps must be texts or numbers.
    Json,
    /// MessagePack with field names, the default of events: as tolerant of changes as JSON, at two thirds
    /// of the size.
    MessagePack,
}

impl Default for Codec {
    /// Returns MessagePack, the default codec of events, whatever features a build has: in a build
    /// without it, name another codec.
    fn default() -> Self {
        Self::MessagePack
    }
}

impl Codec {
    /// The default codec of snapshots, saved views and rows, in every build: bincode. They can be computed
    /// again from the events, so a changed type needs no care.
    pub const SNAPSHOTS: Self = Self::Bincode;
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

    /// Returns the feature of a build that contains the codec.
    fn feature(self) -> &'static str {
        match self {
            Self::Bincode => "bincode",
            Self::Json => "json",
            Self::MessagePack => "messagepack",
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
        self.walk_content(&content)?;
        self.write_content(&content, out)
    }

    /// Walks through the content of an event, and returns its sum, and the index and the name of its variant.
    fn walk_content<E: Serialize>(
        self,
        content: &Content<'_, E>,
    ) -> Result<(Sum, (u32, &'static str)), CodecError> {
        let sum = self.walk(content).map_err(|error| self.refused(content, error))?;
        let variant = content.variant().ok_or_else(|| not_an_enum(content))?;
        Ok((sum, variant))
    }

    /// Writes the content of an event that was walked through, and returns the name of its variant.
    fn write_content<E: Serialize>(
        self,
        content: &Content<'_, E>,
        out: &mut Vec<u8>,
    ) -> Result<&'static str, CodecError> {
        self.write(content, out).map_err(|error| self.refused(content, error))?;
        content.variant().map(|(_, name)| name).ok_or_else(|| not_an_enum(content))
    }

    /// Returns why an event is not one, or was not encoded.
    #[cold]
    fn refused<E>(self, content: &Content<'_, E>, error: CodecError) -> CodecError {
        match (content.mismatch(), content.variant()) {
            (Some(found), _) => CodecError::NotAnEnum { found },
            (None, Some((_, name))) => self.naming(name)(error),
            (None, None) => error,
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
        self.read_event(name, bytes).map_err(|error| match error {
            CodecError::Decode(why) => CodecError::Decode(why + self.after_a_change()),
            other => other,
        })
    }

    fn read_event<E: DeserializeOwned>(self, name: &str, bytes: &[u8]) -> Result<E, CodecError> {
        event_of(name, |variant| self.decode_seed(variant, bytes))
    }

    /// What to do if an event does not decode because its type has changed.
    fn after_a_change(self) -> &'static str {
        match self {
            Self::Bincode => {
                ". If its type has changed, raise its schema version and add an upcaster"
            }
            Self::Json | Self::MessagePack => {
                ". If its type has changed, use `#[serde(default)]`, `#[serde(alias)]`, or a new schema version and an upcaster"
            }
        }
    }

    /// What to do if a value that was just written does not decode.
    fn not_kept(self) -> &'static str {
        match self {
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::NOT_KEPT,
            _ => "",
        }
    }

    /// Adds the name of what was to be encoded, and the codec.
    fn naming(self, name: &str) -> impl FnOnce(CodecError) -> CodecError {
        move |error| match error {
            CodecError::Encode(why) => {
                CodecError::Encode(format!("`{name}` with the codec {self:?}: {why}"))
            }
            other => other,
        }
    }

    /// Appends any value to `out`.
    ///
    /// # Errors
    /// Returns [`CodecError`] if it cannot be encoded; `out` may then contain a part of it.
    pub fn encode<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let written = self.walk(value).and_then(|_| self.write(value, out));
        written.map_err(self.naming(type_name::<T>()))
    }

    /// Walks through a value, and returns its sum.
    pub(crate) fn walk<T: Serialize + ?Sized>(self, value: &T) -> Result<Sum, CodecError> {
        walk(value, self == Self::Json).map_err(|error| CodecError::encode(&error))
    }

    /// Writes a value that was walked through.
    fn write<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
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

    pub(crate) fn decode_seed<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
    ) -> Result<S::Value, CodecError> {
        let seed = Bounded(seed);
        reading_bytes(bytes.len(), || match self {
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
        })
    }

    /// Appends a value that was derived from a stored one to `out`. It may be as deep as what is read.
    pub(super) fn encode_derived<T: Serialize>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        reading(|| self.encode(value, out))
    }

    /// Appends the content of an event that was derived from a stored one to `out`, and returns the name of its
    /// variant. It may be as deep as what is read.
    pub(super) fn encode_derived_event<E: Serialize + DeserializeOwned>(
        self,
        event: &E,
        out: &mut Vec<u8>,
    ) -> Result<&'static str, CodecError> {
        reading(|| self.encode_event_checked(event, out)).map(|(name, _)| name)
    }

    /// Returns whether the codec stores names and kinds of values.
    pub(super) fn is_self_describing(self) -> bool {
        self != Self::Bincode
    }
}

#[cold]
fn not_an_enum<E>(content: &Content<'_, E>) -> CodecError {
    CodecError::NotAnEnum { found: content.mismatch().unwrap_or("a value that is not a variant") }
}

/// Derives something from a stored value without a codec. It may be as deep as what is read.
pub(super) fn derived<R, E: std::fmt::Display>(
    derive: impl FnOnce() -> Result<R, E>,
) -> Result<R, CodecError> {
    reading(derive).map_err(|error| CodecError::encode(&error))
}

/// Reads a value from a deserializer, with the bounds of what is read. It has no more elements than are in memory.
pub(super) fn read_from<'de, S: DeserializeSeed<'de>, D: Deserializer<'de>>(
    seed: S,
    from: D,
) -> Result<S::Value, CodecError> {
    let read = reading_bytes(usize::MAX, || Bounded(seed).deserialize(from));
    read.map_err(|error| CodecError::decode(&error))
}

/// Like [`read_from`], for the event whose variant is `name` and whose content is deserialized.
pub(super) fn read_event_from<'de, E: DeserializeOwned, D: Deserializer<'de>>(
    name: &str,
    content: D,
) -> Result<E, CodecError> {
    event_of(name, |variant| read_from(variant, content))
}

fn event_of<E: DeserializeOwned>(
    name: &str,
    read: impl FnOnce(Variant<'_, E>) -> Result<E, CodecError>,
) -> Result<E, CodecError> {
    let lookup = Lookup::default();
    read(Variant::new(name, &lookup)).or_else(|error| match lookup.is_known() {
        true => Err(error),
        false => catch_all(name)
            .ok_or_else(|| CodecError::UnknownEventType { event_type: name.to_owned() }),
    })
}

#[cfg(test)]
mod tests;
