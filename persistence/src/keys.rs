//! The keys of data subjects: what personal data is sealed with, and what is destroyed to forget.
//!
//! Every subject has a key of its own, made when the first [`Personal`](crate::Personal) value of it is
//! written. The keys stand in a file beside the store, each wrapped with a master key that is the
//! user's to keep. **To forget a subject is to destroy its key**: what was sealed with it, in the log,
//! in snapshots and in every backup of them, is noise from then on.
//!
//! Read in this order: [`MasterKeys`] (where master keys come from), [`Keys`] (the file, open),
//! `record` and `pages` (its bytes), `store` (which slot is whose), `scope` (how values find the keys),
//! [`guard`] (a store whose commits wait for new keys) and `verify` (whether every key is what was written).

mod cache;
mod cipher;
mod header;
mod master;
mod master_file;
mod medium;
mod open;
mod pages;
mod record;
mod sealing;
mod store;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

pub use master::{MasterKey, MasterKeyRing, MasterKeys};
pub use master_file::FileMasterKeys;
pub use verify::VerifiedKeys;

pub use crate::personal::{KeyError, MasterKeyError, MasterKeyId};

use crate::OpenError;
use crate::files::lock::StoreLock;
use crate::personal::sealer::Sealer;
use crate::personal::{Fingerprint, SUBJECT_BYTES_MAX, scope};
use store::{Inner, Looked};

/// How many slots a rotation or a check works on at a time: what waits for the keys meanwhile waits for
/// milliseconds.
const SLOTS_AT_ONCE: u32 = 1_024;

/// The keys of all subjects, open. Shared by all who write and read personal data.
pub struct Keys {
    master: Arc<dyn MasterKeys>,
    identity: Uuid,
    salt: zeroize::Zeroizing<[u8; 32]>,
    inner: Mutex<Inner>,
    /// How many subjects are forgotten.
    forgotten: AtomicU64,
    /// How many snapshots were passed over because a subject in them is forgotten.
    erased_snapshots: AtomicU64,
    lock: Mutex<Option<StoreLock>>,
}

/// What became of forgetting a subject's key. It is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether there was a key. Without one nothing was ever sealed for the subject, or it had been
    /// forgotten before.
    pub had_key: bool,
    /// How many subjects are forgotten now.
    pub number: u64,
}

/// Figures of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFigures {
    /// Subjects with a key.
    pub live: u64,
    /// Subjects that were forgotten.
    pub forgotten: u64,
    /// Keys of which both copies are damaged. While there are any, subjects that are not among the
    /// others are refused: restore the file from its backup.
    pub damaged: u64,
    /// Copies that were brought up to the other one when the file was opened: after a power cut, or
    /// because one was damaged.
    pub mended: u64,
    /// Snapshots that were passed over since then because a subject in them is forgotten.
    pub erased_snapshots: u64,
}

impl Keys {
    /// Opens the keys in `directory`, or makes a file for them there.
    ///
    /// # Errors
    /// [`OpenError`]: [`OpenError::Keys`] when a master key is missing or another one; nothing was
    /// changed.
    pub fn open(
        directory: impl AsRef<Path>,
        master: impl MasterKeys,
    ) -> Result<Arc<Self>, OpenError> {
        open::on_disk(directory.as_ref(), Arc::new(master)).map(Arc::new)
    }

    /// Whether there are keys in `directory`.
    #[must_use]
    pub fn exist_in(directory: impl AsRef<Path>) -> bool {
        open::exist_in(directory.as_ref())
    }

    /// Keys in memory, gone with the process.
    ///
    /// # Errors
    /// [`KeyError`]: the current master key is missing, or there is no randomness.
    pub fn in_memory(master: impl MasterKeys) -> Result<Arc<Self>, KeyError> {
        open::in_memory(Arc::new(master)).map(Arc::new)
    }

    /// The file's own name, drawn when it was made. It never changes, and no other file has it.
    #[must_use]
    pub fn identity(&self) -> Uuid {
        self.identity
    }

    /// What stands for a subject in the file.
    #[must_use]
    pub fn fingerprint(&self, subject: &str) -> Fingerprint {
        let hash = blake3::keyed_hash(&self.salt, subject.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        Fingerprint(short)
    }

    /// Destroys the key of `subject`, durably: both copies of it are overwritten, and synced, when this
    /// returns. What was sealed with it is erased from then on, and nothing more is written about the
    /// subject. A subject that was never seen is forgotten beforehand.
    ///
    /// This is about the key alone: `Runtime::forget` also sees to what was derived from clear text.
    ///
    /// # Errors
    /// [`KeyError::Failed`]: it is not known whether the key is gone, and it is not used any more; open
    /// the keys again and repeat it. After any other the key is still there.
    pub fn forget(&self, subject: &str) -> Result<Forgotten, KeyError> {
        must_be_a_subject(subject)?;
        let subject = self.fingerprint(subject);
        let mut inner = self.lock();
        let forgotten = inner.forget(subject);
        // Also when it failed: the key is not used any more.
        self.forgotten.store(inner.forgotten, Ordering::SeqCst);
        forgotten
    }

    /// Whether `subject` was forgotten.
    #[must_use]
    pub fn is_forgotten(&self, subject: &str) -> bool {
        matches!(
            self.lock().look_up(self.fingerprint(subject), &*self.master),
            Ok(Looked::Forgotten)
        )
    }

    /// How many subjects are forgotten. It only grows, so it numbers the forgettings.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Wraps the keys of all subjects with the current master key. When this returns no other master
    /// key is needed any more, and each copy that was wrapped with one is overwritten. What comes
    /// meanwhile is not held up for long. Returns how many keys were wrapped anew.
    ///
    /// # Errors
    /// [`KeyError`]: some keys are wrapped with the current master key, the others as before. Repeat it;
    /// it goes on where it was.
    pub fn rotate(&self) -> Result<u64, KeyError> {
        let (mut rewrapped, mut next) = (0, Some(0));
        while let Some(from) = next {
            let count;
            (count, next) = self.lock().rewrap(from, SLOTS_AT_ONCE, &*self.master)?;
            rewrapped += count;
        }
        Ok(rewrapped)
    }

    /// Figures.
    #[must_use]
    pub fn figures(&self) -> KeyFigures {
        let inner = self.lock();
        let census = inner.census();
        KeyFigures {
            live: inner.subjects() - inner.forgotten,
            forgotten: inner.forgotten,
            damaged: census.damaged,
            mended: census.mended,
            erased_snapshots: self.erased_snapshots.load(Ordering::Relaxed),
        }
    }

    /// Does the work with these keys at hand: within it [`Personal`](crate::Personal) values are
    /// serialized sealed, and read. A runtime does this around all it writes and reads.
    pub fn within<R>(self: &Arc<Self>, work: impl FnOnce() -> R) -> R {
        let sealer: Arc<dyn Sealer> = self.clone();
        scope::within(Some(&sealer), work)
    }

    /// Makes the keys that were made since the last time durable, with one sync. Nothing sealed with
    /// them may be acknowledged before.
    ///
    /// # Errors
    /// [`KeyError::Failed`]; from then on it fails every time.
    pub fn flush(&self) -> Result<(), KeyError> {
        let mut inner = self.lock();
        if !inner.pages().is_dirty() {
            return Ok(());
        }
        inner.pages().flush().map_err(|what| KeyError::Failed { what })
    }

    /// Brings both copies of every key to the same, when there is time.
    ///
    /// # Errors
    /// As for [`flush`](Keys::flush).
    pub fn settle(&self) -> Result<(), KeyError> {
        self.lock().settle()
    }

    /// Lets go of the file, whoever still holds this: it opens and seals nothing any more.
    ///
    /// # Errors
    /// As for [`flush`](Keys::flush); it is closed all the same.
    pub fn close(&self) -> Result<(), KeyError> {
        let closed = self.lock().close();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in there would have to come from the allocator, or from the user's provider of master
        // keys, which is asked before anything is changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keys").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // What fails here is durable in one copy, and mended at the next start.
        let _ = self.close();
    }
}

fn must_be_a_subject(subject: &str) -> Result<(), KeyError> {
    match subject.len() {
        1..=SUBJECT_BYTES_MAX => Ok(()),
        _ => Err(KeyError::Subject),
    }
}
