//! The archive of an open store, which reads fetch archived commits from.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::segment::{Kind, Segment};
use crate::error::{Damage, ReadError};
use crate::files::absolute;
use crate::record::{Commit, Gone};
use crate::store::Page;

/// The file name extension of segments.
pub(super) const ENDING: &str = "seg";

/// The archive of an open store. For engines. Segments are opened when they are first needed, and stay
/// open: each takes about 16 bytes of memory for each block of its file.
pub struct Mounted {
    directory: PathBuf,
    segments: Mutex<HashMap<Uuid, Arc<Segment>>>,
}

impl Mounted {
    /// Returns the archive in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        let directory = absolute(directory);
        Self { directory, segments: Mutex::default() }
    }

    /// Returns the directory of the archive.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Replaces the stubs of archived commits in a page by the commits.
    ///
    /// # Errors
    /// Returns [`ReadError::Archived`] if a segment is missing, and other [`ReadError`]s if it cannot be
    /// read.
    pub fn complete(&self, mut page: Page) -> Result<Page, ReadError> {
        for commit in &mut page.commits {
            if let Some(Gone::Archived(segment)) = commit.gone() {
                *commit = self.fetch(commit, segment)?;
            }
        }
        Ok(page)
    }

    /// Returns the commit that a stub replaces.
    ///
    /// # Errors
    /// Returns [`ReadError::Archived`] if the segment is missing, and other [`ReadError`]s if it cannot
    /// be read.
    pub fn fetch(&self, stub: &Commit, segment: Uuid) -> Result<Commit, ReadError> {
        let Some(open) = self.segment(segment)? else {
            return Err(ReadError::Archived {
                stream: stub.stream(),
                position: stub.position(),
                segment,
                directory: self.directory.clone(),
            });
        };
        let found = open.commit_at(stub.position())?;
        match found.filter(|commit| commit.hash() == stub.hash() && commit.gone().is_none()) {
            Some(commit) => Ok(commit),
            None => Err(ReadError::Damaged(Damage {
                stream: Some(stub.stream()),
                position: stub.position(),
                what: format!("{} does not contain the archived commit", open.path().display()),
            })),
        }
    }

    fn segment(&self, id: Uuid) -> Result<Option<Arc<Segment>>, ReadError> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if !segments.contains_key(&id) {
            // Its file may have been added since the last search.
            *segments = open_all(&self.directory)?;
        }
        Ok(segments.get(&id).cloned())
    }

    /// Closes all segments, after their files were changed.
    pub fn forget(&self) {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Opens all segments in the directory, by their ids. A file that is not a segment is logged and
/// skipped, because the requested segment may be another file.
fn open_all(directory: &Path) -> Result<HashMap<Uuid, Arc<Segment>>, ReadError> {
    let mut found = HashMap::new();
    for path in files(directory)? {
        match Segment::open(&path) {
            Ok(segment) if segment.head().kind == Kind::Archive => {
                found.insert(segment.head().id, Arc::new(segment));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(
                target: "actuarius::store",
                path = %path.display(),
                %error,
                "a file in the archive cannot be read"
            ),
        }
    }
    Ok(found)
}

/// Returns the paths of the segments in a directory. Empty if the directory does not exist.
///
/// # Errors
/// Returns the error of the operating system.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
