//! The lock of a directory against other processes, and against other parts of this one.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::OnFile;
use crate::error::OpenError;

const RETRY: Duration = Duration::from_millis(20);

/// Retries `attempt` while the directory is locked, for at most `patience`.
///
/// # Errors
/// Returns the first other error, or [`OpenError::Locked`] after `patience`.
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

/// The lock of a directory, which is released when this is dropped.
pub struct StoreLock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl StoreLock {
    /// Locks the directory by a file in it.
    ///
    /// # Errors
    /// Returns [`OpenError::Locked`] if another holder has the lock, and [`OpenError::Io`] if the
    /// file cannot be opened.
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
