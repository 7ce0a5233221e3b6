//! The name of a master key.

use std::fmt;
use std::str::FromStr;

use super::error::MasterKeyError;

/// The longest name of a master key: what a slot of the key file has room for.
pub(crate) const NAME_BYTES_MAX: usize = 16;

/// The name of a master key: 1 to 16 letters, digits, `-`, `_` and `.` of ASCII. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId([u8; NAME_BYTES_MAX]);

impl MasterKeyId {
    /// The key called `name`.
    ///
    /// # Errors
    /// [`MasterKeyError::InvalidName`].
    pub fn new(name: &str) -> Result<Self, MasterKeyError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(known) {
            return Err(MasterKeyError::InvalidName { name: name.to_owned() });
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES_MAX);
        // Only ASCII gets in.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }

    /// As it stands in a slot, zeros behind it.
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
