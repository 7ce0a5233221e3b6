//! `Keys`: the open key file, and what users do with it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::KeyError;
use super::master::MasterKeys;
use super::store::{Forgotten, KeyState, KeyStore};
use crate::files::lock::StoreLock;
use crate::personal::sealer::Sealer;
use crate::personal::{Fingerprint, SUBJECT_BYTES_MAX, scope};

/// The number of slots that a rotation or a check processes under one lock, so that other users of the
/// keys wait for milliseconds only.
pub(super) const SLOTS_AT_ONCE: u32 = 1_024;

/// The open keys of all subjects, shared by all code that writes and reads personal data.
pub struct Keys {
    pub(super) master: Arc<dyn MasterKeys>,
    pub(super) identity: Uuid,
    pub(super) salt: zeroize::Zeroizing<[u8; 32]>,
    pub(super) store: KeyStore,
    /// The number of forgotten subjects.
    pub(super) forgotten: AtomicU64,
    /// The number of snapshots skipped because a subject in them is forgotten.
    pub(super) erased_snapshots: AtomicU64,
    pub(super) lock: Mutex<Option<StoreLock>>,
}

/// Figures of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFigures {
    /// Subjects with a key.
    pub live: u64,
    /// Subjects that were forgotten.
    pub forgotten: u64,
    /// Keys with two damaged copies. While there are any, subjects without a readable key are refused:
    /// restore the file from its backup.
    pub damaged: u64,
    /// Copies that were repaired from the other one when the file was opened, after a power cut or
    /// because one was damaged.
    pub repaired: u64,
    /// Snapshots skipped since then because a subject in them is forgotten.
    pub erased_snapshots: u64,
}

impl Keys {
    /// Returns the identity of the key file: a random UUID that never changes.
    #[must_use]
    pub fn identity(&self) -> Uuid {
        self.identity
    }

    /// Returns the fingerprint that identifies a subject in the file.
    #[must_use]
    pub fn fingerprint(&self, subject: &str) -> Fingerprint {
        let hash = blake3::keyed_hash(&self.salt, subject.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        Fingerprint(short)
    }

    /// Destroys the key of `subject` durably: when this returns, both copies are overwritten and synced.
    /// Data sealed with it is then erased, and no personal data is written about the subject any more.
    /// A subject that has no key yet is forgotten in advance.
    ///
    /// This concerns the key alone. `Runtime::forget` also removes data derived from clear text.
    ///
    /// # Errors
    /// Returns [`KeyError::Failed`] if it is unknown whether the key was destroyed. The key is not used
    /// any more; open the keys again and repeat the call. After any other error the key still exists.
    pub fn forget(&self, subject: &str) -> Result<Forgotten, KeyError> {
        check_subject(subject)?;
        let subject = self.fingerprint(subject);
        let forgotten = self.store.forget(subject);
        // Even after a failure, because the key is not used any more.
        self.forgotten.fetch_max(self.store.memory().forgotten, Ordering::SeqCst);
        forgotten
    }

    /// Returns whether `subject` was forgotten.
    #[must_use]
    pub fn is_forgotten(&self, subject: &str) -> bool {
        matches!(self.store.find(self.fingerprint(subject), &*self.master), Ok(KeyState::Forgotten))
    }

    /// Returns the number of forgotten subjects. It only grows, so it also numbers them.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Wraps the keys of all subjects with the current master key. When this returns, no other master
    /// key is needed any more, and every copy that was wrapped with one is overwritten. Other calls wait
    /// for milliseconds only. Returns the number of rewrapped keys.
    ///
    /// # Errors
    /// Returns [`KeyError`] if some keys could not be rewrapped. Repeat the call: keys that are already
    /// rewrapped are skipped. [`KeyError::NotRotated`] lists the slots with two damaged copies; all other keys are
    /// rewrapped.
    pub fn rotate(&self) -> Result<u64, KeyError> {
        let (mut rewrapped, mut next, mut left) = (0, Some(0), Vec::new());
        while let Some(from) = next {
            let count;
            (count, next) = self.store.rewrap(from, SLOTS_AT_ONCE, &*self.master, &mut left)?;
            rewrapped += count;
        }
        if left.is_empty() { Ok(rewrapped) } else { Err(KeyError::NotRotated { rewrapped, left }) }
    }

    /// Returns figures of the key file.
    #[must_use]
    pub fn figures(&self) -> KeyFigures {
        let memory = self.store.memory();
        let census = memory.census;
        KeyFigures {
            live: memory.subjects() - memory.forgotten,
            forgotten: memory.forgotten,
            damaged: census.damaged,
            repaired: census.repaired,
            erased_snapshots: self.erased_snapshots.load(Ordering::Relaxed),
        }
    }

    /// Runs the work with these keys in scope: within it [`Personal`](crate::Personal) values are sealed
    /// when serialized, and opened when read. A runtime does this for everything it writes and reads.
    pub fn within<R>(self: &Arc<Self>, work: impl FnOnce() -> R) -> R {
        let sealer: Arc<dyn Sealer> = self.clone();
        scope::within(Some(&sealer), work)
    }

    /// Makes new keys durable, with one sync. Nothing sealed with them may be acknowledged before.
    ///
    /// # Errors
    /// Returns [`KeyError::Failed`] if a write failed. Every later call fails, too.
    pub fn flush(&self) -> Result<(), KeyError> {
        self.store.flush()
    }

    /// Makes both copies of every key equal. Called in idle times.
    ///
    /// # Errors
    /// Returns the same errors as [`flush`](Keys::flush).
    pub fn settle(&self) -> Result<(), KeyError> {
        self.store.settle()
    }

    /// Releases the file. All other handles of these keys open and seal nothing any more.
    ///
    /// # Errors
    /// Returns the same errors as [`flush`](Keys::flush). The file is released in any case.
    pub fn close(&self) -> Result<(), KeyError> {
        let closed = self.store.close();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keys").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // On an error, changes are durable in one copy, and repaired at the next start.
        let _ = self.close();
    }
}

pub(super) fn check_subject(subject: &str) -> Result<(), KeyError> {
    match subject.len() {
        1..=SUBJECT_BYTES_MAX => Ok(()),
        _ => Err(KeyError::Subject),
    }
}
