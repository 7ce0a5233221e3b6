//! Master keys, which wrap the keys of subjects. The user keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{KeyError, cipher};
use crate::personal::MasterKeyError;
use crate::personal::master_key_id::MasterKeyId;

/// A master key: 256 bits, wiped from memory when it is dropped. Its `Debug` output does not show it.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Creates a key from bytes, which must be random.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Generates a random key.
    ///
    /// # Errors
    /// Returns [`KeyError::Random`] if the operating system returns no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        cipher::fill_random(&mut *bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MasterKey(..)")
    }
}

/// The source of master keys: a file ([`FileMasterKeys`](super::FileMasterKeys)), memory
/// ([`MasterKeyRing`]), or your own implementation, such as a client of a key service.
///
/// It is called when the key of a subject is created, and when one that is not in memory is needed, from
/// any thread, including those that decide commands. So it should return quickly, from memory.
pub trait MasterKeys: Send + Sync + 'static {
    /// Returns the name of the master key that new keys are wrapped with.
    ///
    /// # Errors
    /// Returns [`MasterKeyError`] if it is not available. The command that needs a new key is refused.
    fn current(&self) -> Result<MasterKeyId, MasterKeyError>;

    /// Returns the master key called `id`.
    ///
    /// # Errors
    /// Returns [`MasterKeyError`] if it is not available. The operation that needs it is refused.
    fn key(&self, id: &MasterKeyId) -> Result<MasterKey, MasterKeyError>;
}

impl<M: MasterKeys + ?Sized> MasterKeys for Arc<M> {
    fn current(&self) -> Result<MasterKeyId, MasterKeyError> {
        (**self).current()
    }

    fn key(&self, id: &MasterKeyId) -> Result<MasterKey, MasterKeyError> {
        (**self).key(id)
    }
}

/// Master keys in memory, one of which is current.
#[derive(Clone)]
pub struct MasterKeyRing {
    keys: BTreeMap<MasterKeyId, MasterKey>,
    current: MasterKeyId,
}

impl MasterKeyRing {
    /// Creates a ring with one key, which is current.
    #[must_use]
    pub fn new(current: MasterKeyId, key: MasterKey) -> Self {
        Self { keys: BTreeMap::from([(current, key)]), current }
    }

    /// Creates a ring with one random key called `name`.
    ///
    /// # Errors
    /// Returns [`KeyError`] if the name is invalid, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        Ok(Self::new(MasterKeyId::new(name)?, MasterKey::random()?))
    }

    /// Adds a key, which becomes current. A key of the same name is replaced.
    pub fn add(&mut self, id: MasterKeyId, key: MasterKey) {
        self.keys.insert(id, key);
        self.current = id;
    }

    /// Removes a key, unless it is the current one. Returns whether it was removed.
    pub fn remove(&mut self, id: &MasterKeyId) -> bool {
        *id != self.current && self.keys.remove(id).is_some()
    }

    /// Returns the names of all keys in order.
    pub fn ids(&self) -> impl Iterator<Item = MasterKeyId> {
        self.keys.keys().copied()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&MasterKeyId, &MasterKey)> {
        self.keys.iter()
    }

    /// Makes an existing key current. Returns whether it exists.
    pub(super) fn make_current(&mut self, id: MasterKeyId) -> bool {
        let known = self.keys.contains_key(&id);
        if known {
            self.current = id;
        }
        known
    }
}

impl MasterKeys for MasterKeyRing {
    fn current(&self) -> Result<MasterKeyId, MasterKeyError> {
        Ok(self.current)
    }

    fn key(&self, id: &MasterKeyId) -> Result<MasterKey, MasterKeyError> {
        self.keys.get(id).cloned().ok_or(MasterKeyError::Unknown { id: *id })
    }
}
