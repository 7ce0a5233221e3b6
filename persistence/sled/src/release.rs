//! Waiting until sled has released its file.
//!
//! sled locks its file and releases it late, when its own threads have ended. So the store has a lock
//! of its own around sled's, and closing a store waits for sled.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long closing a store waits for sled to release its file: less than opening waits by default.
const RELEASE: Duration = Duration::from_millis(400);

/// Waits on drop until sled has released its file. sled must have been closed before.
pub(crate) struct Release(pub(crate) PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        let deadline = Instant::now() + RELEASE;
        while is_locked(&self.0) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns whether sled still uses its file.
pub(crate) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
