//! The lock that keeps other processes, and other parts of this one, out of a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::OnFile;
use crate::OpenError;

const RETRY: Duration = Duration::from_millis(20);

/// Tries again until it works, fails otherwise than by being locked, or `patience` is over.
pub fn retry<T>(
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
pub struct StoreLock(#[expect(dead_code, reason = "closing the file is unlocking it")] File);

impl StoreLock {
    /// Locks the directory by a file in it; someone else having it is [`OpenError::Locked`].
    pub fn take(directory: &Path, file: &str) -> Result<Self, OpenError> {
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
