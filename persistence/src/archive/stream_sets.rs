//! Which streams the files of an archive contain, so that a purge does not read files that cannot contain the
//! deleted stream.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use actuarius_domain::StreamId;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// How many streams of all files are remembered: 8 MB. Files with more are read by every purge.
const STREAMS_REMEMBERED: usize = 1_000_000;

/// The streams of a segment.
pub(super) struct StreamSet {
    pub(super) segment: Uuid,
    pub(super) commits: u64,
    /// Hashes of the streams, ascending.
    hashes: Vec<u64>,
}

/// The streams of the files that were read.
#[derive(Default)]
pub(super) struct StreamSets {
    files: HashMap<PathBuf, (Written, Arc<StreamSet>)>,
    streams: usize,
}

/// The length and the time of a file. A file that was replaced is read again.
type Written = (u64, SystemTime);

impl StreamSet {
    pub(super) fn new(segment: Uuid, commits: u64, hashes: HashSet<u64>) -> Self {
        let mut hashes = Vec::from_iter(hashes);
        hashes.sort_unstable();
        Self { segment, commits, hashes }
    }

    pub(super) fn may_contain(&self, stream: &StreamId) -> bool {
        self.hashes.binary_search(&hash_of(stream.category(), stream.id())).is_ok()
    }
}

impl StreamSets {
    /// Returns the streams of a file, if it is the one that was read.
    pub(super) fn of(&self, path: &Path) -> Option<Arc<StreamSet>> {
        let (written, set) = self.files.get(path)?;
        (written_at(path).as_ref() == Some(written)).then(|| set.clone())
    }

    pub(super) fn put(&mut self, path: PathBuf, set: StreamSet) {
        self.remove(&path);
        if let Some(written) = written_at(&path)
            && self.streams + set.hashes.len() <= STREAMS_REMEMBERED
        {
            self.streams += set.hashes.len();
            self.files.insert(path, (written, Arc::new(set)));
        }
    }

    /// Forgets files that are no longer there.
    pub(super) fn keep_only(&mut self, paths: &[PathBuf]) {
        let paths: HashSet<_> = paths.iter().collect();
        let gone: Vec<_> =
            self.files.keys().filter(|path| !paths.contains(path)).cloned().collect();
        gone.iter().for_each(|path| self.remove(path));
    }

    fn remove(&mut self, path: &Path) {
        if let Some((_, set)) = self.files.remove(path) {
            self.streams -= set.hashes.len();
        }
    }
}

fn written_at(path: &Path) -> Option<Written> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// Returns the hash of a stream's name.
pub(super) fn hash_of(category: &str, id: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&(category.len() as u64).to_le_bytes());
    hasher.update(category.as_bytes());
    hasher.update(id.as_bytes());
    hasher.digest()
}
