//! Serializes sealed bytes: as bytes in binary formats, as base64 text in human-readable ones.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Default)]
pub(super) struct Sealed(pub(super) Vec<u8>);

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // Accepts bytes and text: a value may have been converted from another format.
            deserializer.deserialize_any(Bytes)
        } else {
            // Not as a buffer: bincode would allocate as many bytes as a damaged length states.
            deserializer.deserialize_bytes(Bytes)
        }
    }
}

/// The name of a subject.
pub(super) struct Name(pub(super) Box<str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Name;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the name of a subject")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        Ok(Name(text.into()))
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Sealed;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("sealed bytes, or base64 text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Sealed, E> {
        BASE64.decode(text).map(Sealed).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Sealed, E> {
        Ok(Sealed(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Sealed, E> {
        Ok(Sealed(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Sealed, A::Error> {
        let mut sealed = Vec::new();
        while let Some(byte) = bytes.next_element()? {
            sealed.push(byte);
        }
        Ok(Sealed(sealed))
    }
}
