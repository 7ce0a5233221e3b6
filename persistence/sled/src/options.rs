//! The options of a store and of view tables on disk.

use std::path::PathBuf;
use std::time::Duration;

/// How a store on disk is run. The defaults fit most.
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
            // Small enough to be walked in milliseconds when the store is opened, large enough that
            // a bucket of a run makes a value worth its insert.
            index_run_commits: 65_536,
            index_buckets: 1024,
        }
    }
}

impl SledOptions {
    /// How many bytes of sled's pages are kept in memory: 128 MiB unless told. The process takes
    /// more, since sled counts pages only.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes.max(1024 * 1024);
        self
    }

    /// How long opening waits for someone who has the store open: half a second unless told, which
    /// is enough for a store that is just being closed.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Where the segments of the archive are: in the folder `archive` beside the store unless told. It
    /// need not be there as long as nobody reads what was moved into it.
    #[must_use]
    pub fn archive(mut self, directory: impl Into<PathBuf>) -> Self {
        self.archive = Some(directory.into());
        self
    }

    /// How many commits make an index run, and in how many buckets; the latter counts when a store
    /// is created. For tests, which want many runs of few commits.
    #[doc(hidden)]
    #[must_use]
    pub fn index_runs(mut self, commits: u64, buckets: u16) -> Self {
        self.index_run_commits = commits.max(1);
        self.index_buckets = buckets.max(1);
        self
    }
}
