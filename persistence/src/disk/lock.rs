//! Keeping everyone else out.
//!
//! sled locks its file, but lets go of it late, when threads of its own are done; and files are
//! tidied up here before sled is asked. So there is a lock of ours around sled's.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::files::OnFile;
use crate::OpenError;

const RETRY: Duration = Duration::from_millis(20);

/// How long sled is given to let go of its file when a store is closed: less than the next one
/// waits for it by default.
const RELEASE: Duration = Duration::from_millis(400);

/// Tries again until it works, fails otherwise than by being locked, or `patience` is over.
pub(crate) fn retry<T>(
    patience: Duration,
    attempt: impl Fn() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt() {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => thread::sleep(RETRY),
            done => return done,
        }
    }
}

/// Held as long as the store, or the place of a view, is open.
pub(crate) struct StoreLock(#[expect(dead_code, reason = "closing the file is unlocking it")] File);

impl StoreLock {
    /// Locks the directory by a file in it; someone else having it is [`OpenError::Locked`].
    pub(crate) fn take(directory: &Path, file: &str) -> Result<Self, OpenError> {
        let path = directory.join(file);
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(&path).on(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: directory.to_owned() }),
            Err(TryLockError::Error(error)) => Err(error).on(&path),
        }
    }
}

/// On drop, waits until sled has let go of its file, which must have been closed before.
pub(super) struct Release(pub(super) PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        let deadline = Instant::now() + RELEASE;
        while is_locked(&self.0) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
