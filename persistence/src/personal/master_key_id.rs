//! Names of master keys, and why a master key is not available.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest name of a master key, which fits into a slot of the key file.
pub(crate) const NAME_BYTES_MAX: usize = 16;

/// The name of a master key: 1 to 16 ASCII letters, digits, `-`, `_` and `.`. It is not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId([u8; NAME_BYTES_MAX]);

impl MasterKeyId {
    /// Creates the name of a master key.
    ///
    /// # Errors
    /// Returns [`MasterKeyError::InvalidName`] if the name is invalid.
    pub fn new(name: &str) -> Result<Self, MasterKeyError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(known) {
            return Err(MasterKeyError::InvalidName { name: name.to_owned() });
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES_MAX);
        // `new` accepts only ASCII.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }

    /// Returns the name padded with zeros, as it is stored in a slot.
    pub(crate) fn padded(&self) -> &[u8; NAME_BYTES_MAX] {
        &self.0
    }

    pub(crate) fn from_padded(bytes: &[u8; NAME_BYTES_MAX]) -> Option<Self> {
        let id = Self::new(Self(*bytes).as_str()).ok()?;
        (id.0 == *bytes).then_some(id)
    }
}

impl FromStr for MasterKeyId {
    type Err = MasterKeyError;

    fn from_str(name: &str) -> Result<Self, MasterKeyError> {
        Self::new(name)
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

/// Why a master key is not available. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The provider has no key of this name.
    #[error("there is no master key {id}")]
    Unknown {
        /// The key's name.
        id: MasterKeyId,
    },
    /// The key of this name is not the one that the keys of subjects were wrapped with.
    #[error("master key {id} is not the one that the keys of subjects were wrapped with")]
    Wrong {
        /// The key's name.
        id: MasterKeyId,
    },
    /// The name is invalid: it must have 1 to 16 ASCII letters, digits, `-`, `_` and `.`.
    #[error("{name:?} is not a valid name of a master key")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The provider cannot return the key now.
    #[error("the master key is not available: {why}")]
    Unavailable {
        /// The reason that the provider reports.
        why: String,
    },
}
