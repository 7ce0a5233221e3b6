//! Waits until sled has released its file.
//!
//! sled locks its file, and releases it late, when threads of its own are done. So a lock of the
//! store's own surrounds sled's, and closing waits for sled.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long sled is given to let go of its file when a store is closed: less than the next one
/// waits for it by default.
const RELEASE: Duration = Duration::from_millis(400);

/// On drop, waits until sled has let go of its file, which must have been closed before.
pub(crate) struct Release(pub(crate) PathBuf);

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
