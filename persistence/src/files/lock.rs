//! The lock of a directory against other processes, and against other parts of this one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::OnFile;
use crate::error::OpenError;

const RETRY: Duration = Duration::from_millis(20);

/// How long a lock is waited for whose holder has announced that it is closing: longer than any group of commits
/// takes on a disk that works.
pub const CLOSING_WAIT: Duration = Duration::from_secs(30);

/// What the file of a lock contains while its holder is closing.
const CLOSING: &[u8] = b"closing\n";

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
pub struct StoreLock(File);

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
            Ok(()) => {
                // The holder before may have been killed while it was closing.
                file.set_len(0).on(&path)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: directory.to_owned() }),
            Err(TryLockError::Error(error)) => Err(error).on(&path),
        }
    }

    /// Locks the directory by a file in it. Waits for another holder for at most `patience`, and for
    /// [`CLOSING_WAIT`] once that one has announced that it is closing.
    ///
    /// # Errors
    /// Returns the same errors as [`take`](Self::take).
    pub fn wait(directory: &Path, file: &str, patience: Duration) -> Result<Self, OpenError> {
        let begun = Instant::now();
        loop {
            match Self::take(directory, file) {
                Err(OpenError::Locked { .. }) if begun.elapsed() < patience => {}
                Err(OpenError::Locked { .. })
                    if is_closing(&directory.join(file)) && begun.elapsed() < CLOSING_WAIT => {}
                done => return done,
            }
            thread::sleep(RETRY);
        }
    }

    /// Announces that it will soon be dropped, in this process and in others. If the announcement cannot be written,
    /// others do not wait.
    pub fn announce_closing(&self) {
        let mut file = &self.0;
        let written = file.rewind().and_then(|()| file.write_all(CLOSING));
        if let Err(error) = written {
            tracing::debug!(target: "actuarius::store", %error, "the end was not announced");
        }
    }
}

fn is_closing(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| content == CLOSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(directory: &Path) -> Result<StoreLock, OpenError> {
        StoreLock::wait(directory, "lock", Duration::ZERO)
    }

    /// A service that dropped its runtime and opened it again at once failed, because the last group was still
    /// being written.
    #[test]
    fn a_lock_is_waited_for_once_its_holder_is_closing() {
        let directory = tempfile::tempdir().unwrap();
        let held = take(directory.path()).unwrap();
        assert!(matches!(take(directory.path()), Err(OpenError::Locked { .. })));
        held.announce_closing();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| take(directory.path()));
            assert!(matches!(
                StoreLock::take(directory.path(), "lock"),
                Err(OpenError::Locked { .. })
            ));
            drop(held);
            let held = waiting.join().unwrap().unwrap();
            // The announcement was about the holder before.
            assert!(matches!(take(directory.path()), Err(OpenError::Locked { .. })));
            drop(held);
        });
    }
}
