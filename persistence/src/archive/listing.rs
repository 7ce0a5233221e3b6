//! The files of an archive, and the lock under which they are written and replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::crash_points;

/// The file name extension of segments.
pub(super) const ENDING: &str = "seg";

/// The end of the name of a file that is being written.
const UNFINISHED: &str = ".seg.writing";

/// Returns the paths of the segments in a directory. Empty if the directory does not exist.
///
/// # Errors
/// Returns the error of the operating system.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_segment = |path: &Path| path.extension().is_some_and(|ending| ending == ENDING);
    listed(directory, is_segment)
}

fn listed(directory: &Path, which: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if which(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Removes the files that a killed process was writing: they may contain events of a stream that was
/// deleted since. The caller holds the [lock](Work), so nobody is writing one.
pub(super) fn remove_unfinished(directory: &Path) -> io::Result<()> {
    let is_unfinished = |path: &Path| path.to_string_lossy().ends_with(UNFINISHED);
    for path in listed(directory, is_unfinished)? {
        crash_points::here()?;
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// The lock of an archive. The writer of a segment holds it from the first event that is read for the segment
/// until the file is complete, and a purge holds it from its first file to its last. Otherwise a purge would
/// pass over a segment that is still being written and has events of the deleted stream, and two purges would
/// replace the same file by two different ones.
///
/// An open store belongs to one process, so a lock in memory is enough.
#[derive(Clone)]
pub(super) struct Work(Arc<Mutex<()>>);

static ARCHIVES: LazyLock<Mutex<BTreeMap<PathBuf, Work>>> = LazyLock::new(Mutex::default);

impl Work {
    /// Returns the lock of the archive in `directory`.
    pub(super) fn on(directory: &Path) -> Self {
        let mut archives = ARCHIVES.lock().unwrap_or_else(PoisonError::into_inner);
        archives.retain(|_, work| Arc::strong_count(&work.0) > 1);
        archives.entry(directory.to_owned()).or_insert_with(|| Self(Arc::default())).clone()
    }

    /// Waits until nobody else works on the archive.
    pub(super) fn begin(&self) -> MutexGuard<'_, ()> {
        // A panic leaves at most an unfinished file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
