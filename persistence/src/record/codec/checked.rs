//! Encodes a value and decodes it again, so that nothing is stored that does not read back.
//!
//! A decoded value is the same as the original if walks through both have the same sum.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::content::Content;
use super::nesting::Checking;
use super::{Codec, CodecError};
use crate::personal::checking::Check;
use crate::personal::error::PersonalError;

const OTHER_VALUE: &str = "it decodes to another value, for example because of an unordered collection inside a text or \
     bytes (use a `BTreeMap` or a `BTreeSet`), or an untagged variant that an earlier variant also matches. Use \
     `Hosting::trust_codec` only if the difference does not matter";

impl Codec {
    /// Appends a value to `out`, decodes the bytes again, and returns the decoded value: what a later
    /// reader sees. Use it where [`encode`](Codec::encode) would store a value that cannot be computed
    /// again.
    ///
    /// Fields that serde skips have their defaults in the decoded value. A collection that has no order
    /// of its own, such as a `HashMap`, may have another order.
    ///
    /// # Errors
    /// Returns [`CodecError::DoesNotReadBack`] if the bytes do not decode, or decode to another value,
    /// and the errors of [`encode`](Codec::encode). `out` may then contain a part of the value.
    ///
    /// # Panics
    /// Panics if the type's `Serialize` or `Deserialize` panics.
    pub fn encode_checked<T: Serialize + DeserializeOwned>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<T, CodecError> {
        let (start, check, _stack) = (out.len(), Check::begin(), Checking::begin());
        let naming = self.naming(type_name::<T>());
        let walked = self.walk(value).and_then(|sum| self.write(value, out).map(|()| sum));
        let mut before = walked.map_err(naming)?;
        let written = Written { codec: self, name: type_name::<T>(), check: &check };
        let decoded = self.decode(&out[start..]).map_err(|error| written.unreadable(error))?;
        if check.has_erased() {
            before = self.walk(value)?;
        }
        match self.walk(&decoded)? == before {
            true => Ok(decoded),
            false => Err(written.not_the_same()),
        }
    }

    /// Like [`encode_checked`](Codec::encode_checked), for an event: appends the content of its variant,
    /// and returns the name of the variant and the decoded event.
    ///
    /// # Errors
    /// Returns the errors of [`encode_checked`](Codec::encode_checked), and
    /// [`CodecError::NotAnEnum`]. `out` may then contain a part of the event.
    ///
    /// # Panics
    /// Panics if the type's `Serialize` or `Deserialize` panics.
    pub fn encode_event_checked<E: Serialize + DeserializeOwned>(
        self,
        event: &E,
        out: &mut Vec<u8>,
    ) -> Result<(&'static str, E), CodecError> {
        let (start, check, _stack) = (out.len(), Check::begin(), Checking::begin());
        let content = Content::of(event);
        let mut before = self.walk_content(&content)?;
        let name = self.write_content(&content, out)?;
        let written = Written { codec: self, name, check: &check };
        let decoded: E =
            self.read_event(name, &out[start..]).map_err(|error| written.unreadable(error))?;
        if check.has_erased() {
            before = self.walk_content(&content)?;
        }
        // Two variants may have one name.
        match self.walk_content(&Content::of(&decoded))? == before {
            true => Ok((name, decoded)),
            false => Err(written.not_the_same()),
        }
    }
}

/// A value that was encoded.
struct Written<'a> {
    codec: Codec,
    name: &'static str,
    check: &'a Check,
}

impl Written<'_> {
    #[cold]
    fn not_the_same(&self) -> CodecError {
        self.failed(OTHER_VALUE.to_owned())
    }

    #[cold]
    fn unreadable(&self, error: CodecError) -> CodecError {
        match error {
            CodecError::Personal(_) | CodecError::TooDeep | CodecError::NotEnabled(_) => error,
            CodecError::Decode(reason) => self.failed(reason + self.codec.not_kept()),
            other => self.failed(other.to_string()),
        }
    }

    fn failed(&self, reason: String) -> CodecError {
        match self.check.forgotten() {
            // The subject was forgotten while the value was encoded.
            Some(subject) => CodecError::Personal(PersonalError::Forgotten { subject }),
            None => CodecError::DoesNotReadBack {
                name: self.name.to_owned(),
                codec: self.codec,
                reason,
            },
        }
    }
}

#[cfg(test)]
mod tests;
