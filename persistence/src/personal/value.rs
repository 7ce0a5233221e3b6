//! `Personal`: a value about a data subject, sealed at rest and erased when the subject is forgotten.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::checking;
use super::error::PersonalError;
use super::scope::{self, Mode};
use super::sealed::{Name, Sealed};
use crate::record::codec::{Codec, CodecError};

/// A value about a data subject, for a field of an event, a command, a state or a view.
///
/// At rest it is sealed with the key of the subject. When the subject is forgotten, the value reads as
/// *erased* in every event, snapshot, view and backup. The name of the subject is **not** sealed: it
/// stays in the log permanently, so it must not identify a natural person by itself. Use a random id,
/// not an address.
///
/// It serializes only where keys are in scope, which is everywhere in a runtime that was opened with
/// `RuntimeBuilder::personal_data`. Otherwise serializing it is an error, so that clear text does not
/// leak by accident. To show the value, use [`get`](Personal::get) or
/// [`showing`](crate::personal::showing).
///
/// ```
/// # mod actuarius { pub use actuarius_persistence::Personal; pub mod erasure { pub use actuarius_persistence::keys; } }
/// use actuarius::Personal;
/// use actuarius::erasure::keys::{Keys, MasterKeyRing};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Keys::in_memory(MasterKeyRing::generate("2026-11")?)?;
/// let name = Personal::new("customer-7f3a", "Ada".to_owned());
///
/// let stored = keys.within(|| serde_json::to_string(&name))?;
/// assert!(!stored.contains("Ada"));
/// let read = |text: &str| keys.within(|| serde_json::from_str::<Personal<String>>(text));
/// assert_eq!(read(&stored)?.get().unwrap(), "Ada");
///
/// keys.forget("customer-7f3a")?;
/// assert!(read(&stored)?.is_erased());
/// assert!(serde_json::to_string(&name).is_err(), "no clear text by accident");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T> {
    subject: Box<str>,
    value: Option<T>,
}

impl<T> Personal<T> {
    /// Creates a value about `subject`, whose name has 1 to 512 bytes. A name of another length is
    /// refused when the value is stored.
    pub fn new(subject: impl Into<String>, value: T) -> Self {
        Self { subject: subject.into().into_boxed_str(), value: Some(value) }
    }

    /// Returns the value, or `None` if it is erased.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Returns the owned value, or `None` if it is erased.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        self.value
    }

    /// Returns the name of the subject, even if the value is erased. Empty if the value was never set.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the value is erased because its subject was forgotten. A value that was never
    /// set is not erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.value.is_none() && !self.subject.is_empty()
    }
}

impl<T> Default for Personal<T> {
    /// Returns a value that was never set: without a subject and without content.
    fn default() -> Self {
        Self { subject: Box::default(), value: None }
    }
}

impl<T> fmt::Debug for Personal<T> {
    /// Writes no clear text.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.value, self.is_erased()) {
            (Some(_), _) => "..",
            (None, true) => "erased",
            (None, false) => "unset",
        };
        write!(out, "Personal({:?}, {state})", self.subject)
    }
}

/// The encoding of the value before it is sealed, independent of the outer codec. It has field names, so
/// that fields can be added.
const INNER: Codec = Codec::MessagePack;

/// The first byte of a value that is not sealed. With keys in scope it is refused.
const IN_CLEAR: u8 = 0;

/// The first byte of a mask, which cannot be read.
const MASK: u8 = 0xff;

/// The capacity for a typical value, so that a growing buffer leaves no clear text in memory.
const VALUE_USUAL: usize = 512;

impl<T: Serialize> Personal<T> {
    /// Returns no bytes for a value that is erased or was never set.
    fn seal(&self) -> Result<Vec<u8>, PersonalError> {
        let Some(value) = &self.value else { return Ok(Vec::new()) };
        let mode = scope::mode()?;
        let mut clear = Zeroizing::new(Vec::with_capacity(VALUE_USUAL));
        INNER.encode(value, &mut clear).map_err(|error| self.content(&error))?;
        match self.seal_as(mode, &clear) {
            Err(PersonalError::Forgotten { .. }) if scope::derives() => {
                checking::note_erased(&self.subject);
                Ok(Vec::new())
            }
            sealed => sealed,
        }
    }

    fn seal_as(&self, mode: Mode, clear: &[u8]) -> Result<Vec<u8>, PersonalError> {
        match mode {
            Mode::Sealer(sealer) => sealer.seal(&self.subject, clear),
            Mode::Clear => Ok([&[IN_CLEAR], clear].concat()),
            // `serialize` shows the value instead.
            Mode::Shown => Err(PersonalError::NoKeys),
            Mode::Masked => {
                scope::mask(&self.subject, clear).map(|mask| [&[MASK], &mask[..]].concat())
            }
        }
    }

    /// Serializes the sum of the clear text, which is compared and not stored.
    fn serialize_in_clear<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value.as_ref().filter(|_| !checking::was_erased(&self.subject));
        let sum = value
            .map(|value| INNER.walk(value))
            .transpose()
            .map_err(|error| S::Error::custom(scope::remember_failure(self.content(&error))))?;
        let mut fields = serializer.serialize_struct(NAME, 2)?;
        fields.serialize_field("subject", &*self.subject)?;
        match sum {
            Some(sum) => fields.serialize_field("sealed", &sum.words())?,
            None => fields.serialize_field("sealed", &())?,
        }
        fields.end()
    }
}

impl<T: DeserializeOwned> Personal<T> {
    fn open(subject: Box<str>, Sealed(sealed): Sealed) -> Result<Self, PersonalError> {
        let mut opened = Self { subject, value: None };
        if sealed.is_empty() {
            return Ok(opened);
        }
        let clear = match (scope::mode()?, sealed.split_first()) {
            (Mode::Sealer(sealer), _) => sealer.unseal(&opened.subject, &sealed)?,
            (Mode::Clear, Some((&IN_CLEAR, clear))) => Some(Zeroizing::new(clear.to_vec())),
            (Mode::Clear | Mode::Shown | Mode::Masked, _) => return Err(PersonalError::NoKeys),
        };
        match clear {
            Some(clear) => {
                opened.value = Some(INNER.decode(&clear).map_err(|error| opened.content(&error))?);
            }
            None => checking::note_forgotten(&opened.subject),
        }
        Ok(opened)
    }
}

impl<T> Personal<T> {
    fn content(&self, error: &CodecError) -> PersonalError {
        match error {
            // The error of a personal value within this one.
            CodecError::Personal(inner) => inner.clone(),
            other => PersonalError::Content {
                subject: self.subject.to_string(),
                what: other.to_string(),
            },
        }
    }
}

const NAME: &str = "Personal";

impl<T: Serialize> Personal<T> {
    /// Serializes the value in clear text for display.
    fn show<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct(NAME, 2)?;
        fields.serialize_field("subject", &*self.subject)?;
        if self.is_erased() {
            fields.serialize_field("erased", &true)?;
        } else {
            fields.serialize_field("value", &self.value)?;
        }
        fields.end()
    }
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if scope::shows() {
            return self.show(serializer);
        }
        if checking::is_in_clear() {
            return self.serialize_in_clear(serializer);
        }
        let sealed =
            self.seal().map_err(|error| S::Error::custom(scope::remember_failure(error)))?;
        let sealed = Sealed(sealed);
        let mut fields = serializer.serialize_struct(NAME, 2)?;
        fields.serialize_field("subject", &*self.subject)?;
        fields.serialize_field("sealed", &sealed)?;
        fields.end()
    }
}

#[derive(Deserialize)]
#[serde(rename = "Personal")]
struct AtRest {
    subject: Name,
    sealed: Sealed,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let AtRest { subject: Name(subject), sealed } = AtRest::deserialize(deserializer)?;
        Self::open(subject, sealed)
            .map_err(|error| D::Error::custom(scope::remember_failure(error)))
    }
}
