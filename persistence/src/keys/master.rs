//! Master keys: what wraps the keys of subjects. They are the user's to keep.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{KeyError, cipher};
use crate::personal::MasterKeyError;
use crate::personal::master_key_id::MasterKeyId;

/// A master key: 256 bits, wiped from memory when it is dropped. It has no `Debug` that shows it.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// The key of these bytes, which should come from a source of randomness.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new, random key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
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

/// Where master keys come from: a file ([`FileMasterKeys`](super::FileMasterKeys)), memory
/// ([`MasterKeyRing`]), or a service of one's own.
///
/// It is asked when a key of a subject is made, and when one that is not in memory is needed; from any
/// thread, also from those that decide commands. So it should answer from memory.
pub trait MasterKeys: Send + Sync + 'static {
    /// The master key that new keys are wrapped with.
    ///
    /// # Errors
    /// [`MasterKeyError`]; the command that needed a new key is refused.
    fn current(&self) -> Result<MasterKeyId, MasterKeyError>;

    /// The master key called `id`.
    ///
    /// # Errors
    /// [`MasterKeyError`]; what needed it is refused.
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

/// Some master keys in memory, one of which is current.
#[derive(Clone)]
pub struct MasterKeyRing {
    keys: BTreeMap<MasterKeyId, MasterKey>,
    current: MasterKeyId,
}

impl MasterKeyRing {
    /// A ring with one key, which is current.
    #[must_use]
    pub fn new(current: MasterKeyId, key: MasterKey) -> Self {
        Self { keys: BTreeMap::from([(current, key)]), current }
    }

    /// A ring with one new, random key called `name`.
    ///
    /// # Errors
    /// [`KeyError`]: the name cannot be one, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        Ok(Self::new(MasterKeyId::new(name)?, MasterKey::random()?))
    }

    /// Adds a key, which is current from now on. One of the same name is replaced.
    pub fn add(&mut self, id: MasterKeyId, key: MasterKey) {
        self.keys.insert(id, key);
        self.current = id;
    }

    /// Takes a key out, unless it is the current one. Whether it was there.
    pub fn remove(&mut self, id: &MasterKeyId) -> bool {
        *id != self.current && self.keys.remove(id).is_some()
    }

    /// The names of all keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = MasterKeyId> {
        self.keys.keys().copied()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&MasterKeyId, &MasterKey)> {
        self.keys.iter()
    }

    /// Makes a key that is there current.
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
