//! Encodes a value and decodes it again, so that nothing is stored that does not read back.
//!
//! A decoded value is the same as the original if it encodes to the same bytes, and if serde sees values
//! of the same kinds in it. Where that fails, the two are compared without regard to the order of
//! sequences, sets and maps, because a `HashMap` has another order in each copy.

use std::any::type_name;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::content::Content;
use super::sum::sum;
use super::{Codec, CodecError};
use crate::personal::error::PersonalError;
use crate::personal::replay::Session;

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
        let (start, session) = (out.len(), Session::begin());
        let kinds = self.write(value, &mut *out)?;
        let written = Written { codec: self, name: type_name::<T>(), bytes: &out[start..], kinds };
        session.pause();
        let decoded = self.decode(written.bytes).map_err(|error| written.unreadable(error))?;
        written.compare(value, &decoded, &session)?;
        Ok(decoded)
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
        let (start, session) = (out.len(), Session::begin());
        let content = Content::of(event);
        let (name, kinds) = self.write_content(&content, &mut *out)?;
        let written = Written { codec: self, name, bytes: &out[start..], kinds };
        session.pause();
        let decoded: E =
            self.decode_event(name, written.bytes).map_err(|error| written.unreadable(error))?;
        let again = Content::of(&decoded);
        written.compare(&content, &again, &session)?;
        // Two variants of one name have the same bytes.
        match again.variant() == content.variant() {
            true => Ok((name, decoded)),
            false => Err(written.not_the_same()),
        }
    }
}

/// A value that was encoded.
struct Written<'a> {
    codec: Codec,
    name: &'static str,
    bytes: &'a [u8],
    kinds: u64,
}

impl Written<'_> {
    /// Compares the original with what was decoded.
    #[inline]
    fn compare<T: Serialize>(
        &self,
        value: &T,
        decoded: &T,
        session: &Session,
    ) -> Result<(), CodecError> {
        let mut rest = Expected(self.bytes);
        session.replay();
        match self.codec.write(decoded, &mut rest) {
            Ok(kinds) if rest.0.is_empty() && kinds == self.kinds => Ok(()),
            // The subject was forgotten while the value was encoded, or the order is another one.
            Err(error @ CodecError::Personal(PersonalError::Forgotten { .. })) => {
                self.compare_unordered(value, decoded, session).map_err(|_| error)
            }
            _ => self.compare_unordered(value, decoded, session),
        }
    }

    #[cold]
    fn compare_unordered<T: Serialize>(
        &self,
        value: &T,
        decoded: &T,
        session: &Session,
    ) -> Result<(), CodecError> {
        session.sum();
        let for_humans = self.codec.is_human_readable();
        match (sum(value, for_humans), sum(decoded, for_humans)) {
            (Some(first), Some(again)) if first == again => Ok(()),
            _ => Err(self.not_the_same()),
        }
    }

    #[cold]
    fn not_the_same(&self) -> CodecError {
        self.failed("it decodes to another value, which encodes differently".to_owned())
    }

    #[cold]
    fn unreadable(&self, error: CodecError) -> CodecError {
        match error {
            CodecError::Personal(_) | CodecError::TooDeep | CodecError::NotEnabled(_) => error,
            CodecError::Decode(reason) => self.failed(reason),
            other => self.failed(other.to_string()),
        }
    }

    fn failed(&self, reason: String) -> CodecError {
        CodecError::DoesNotReadBack { name: self.name.to_owned(), codec: self.codec, reason }
    }
}

/// The bytes that are expected to be written. Others are an error.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.0.split_at_checked(bytes.len()) {
            Some((expected, rest)) if expected == bytes => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
