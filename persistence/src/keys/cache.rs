//! A cache of the unwrapped keys that were used last.

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::personal::Fingerprint;

/// The size of a generation. At most twice as many keys are in memory, about 150 bytes each.
const KEYS_MAX: usize = 8_192;

/// The key of one subject. It is wiped from memory when the last reference is dropped.
pub(super) struct DataKey {
    pub(super) bytes: Zeroizing<[u8; 32]>,
    /// Distinguishes this key from others, and reveals nothing about it.
    pub(super) mark: [u8; 4],
}

impl DataKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let hash = blake3::derive_key("actuarius 2026 mark of a subject's key", &*bytes);
        Self { bytes, mark: [hash[0], hash[1], hash[2], hash[3]] }
    }
}

/// Two generations of keys: when the young one is full, the old one is dropped.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<Fingerprint, Arc<DataKey>>,
    old: HashMap<Fingerprint, Arc<DataKey>>,
}

impl Cache {
    pub(super) fn get(&self, subject: Fingerprint) -> Option<Arc<DataKey>> {
        self.young.get(&subject).or_else(|| self.old.get(&subject)).cloned()
    }

    pub(super) fn put(&mut self, subject: Fingerprint, key: Arc<DataKey>) {
        if self.young.len() >= KEYS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(subject, key);
    }

    pub(super) fn remove(&mut self, subject: Fingerprint) {
        self.young.remove(&subject);
        self.old.remove(&subject);
    }
}
