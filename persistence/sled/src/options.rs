//! The options of a store and of view tables on disk.

use std::path::PathBuf;
use std::time::Duration;

use actuarius_persistence::files::absolute;

/// The options of a store on disk and of view tables. The defaults suit most services.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SledOptions {
    pub(crate) cache_bytes: u64,
    pub(crate) lock_wait: Duration,
    pub(crate) archive: Option<PathBuf>,
    pub(crate) index_run_commits: u64,
    pub(crate) index_buckets: u16,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 128 * 1024 * 1024,
            lock_wait: Duration::from_millis(500),
            archive: None,
            // Small enough to walk in milliseconds when the store is opened, and large enough that a
            // bucket of a run fills a value worth its insert.
            index_run_commits: 65_536,
            index_buckets: 1024,
        }
    }
}

impl SledOptions {
    /// Sets how many bytes of sled's pages are cached: by default 128 MiB, and at least 1 MiB. The
    /// process uses more memory than this, because sled counts pages only.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes.max(1024 * 1024);
        self
    }

    /// Sets how long opening waits while the store is in use: by default half a second, which is enough
    /// for a store that is being closed.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Sets the directory of the archive's segments: by default `archive` in the store's directory. It
    /// may be missing until archived events are read.
    #[must_use]
    pub fn archive(mut self, directory: impl Into<PathBuf>) -> Self {
        self.archive = Some(absolute(directory));
        self
    }

    /// Sets how many commits an index run has, and in how many buckets they are. The number of buckets
    /// applies when a store is created. For tests that need many runs of few commits.
    #[doc(hidden)]
    #[must_use]
    pub fn index_runs(mut self, commits: u64, buckets: u16) -> Self {
        self.index_run_commits = commits.max(1);
        self.index_buckets = buckets.max(1);
        self
    }
}
