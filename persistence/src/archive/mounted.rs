use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::segment::{Kind, Segment};
use crate::{Commit, Damage, Gone, Page, ReadError};

/// What the files of segments end in.
pub const ENDING: &str = "seg";

/// The archive of an open store. Segments are opened when they are needed for the first time, and
/// stay open: each takes about 16 bytes in memory per block of its file.
pub struct Mounted {
    directory: PathBuf,
    segments: Mutex<HashMap<Uuid, Arc<Segment>>>,
}

impl Mounted {
    pub fn at(directory: PathBuf) -> Self {
        Self { directory, segments: Mutex::default() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Puts the archived commits of a page back into their places.
    pub fn complete(&self, mut page: Page) -> Result<Page, ReadError> {
        for commit in &mut page.commits {
            if let Some(Gone::Archived(segment)) = commit.gone() {
                *commit = self.fetch(commit, segment)?;
            }
        }
        Ok(page)
    }

    /// The commit this stub stands for.
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
                what: format!("{} does not hold what was moved there", open.path().display()),
            })),
        }
    }

    fn segment(&self, id: Uuid) -> Result<Option<Arc<Segment>>, ReadError> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if !segments.contains_key(&id) {
            // It may have been put there since we looked.
            *segments = open_all(&self.directory)?;
        }
        Ok(segments.get(&id).cloned())
    }

    /// The files have changed.
    pub fn forget(&self) {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// All segments in the directory, by their names. A file that is none is not in the way: the
/// segment someone asks for may be another.
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
                "a file in the archive is not readable"
            ),
        }
    }
    Ok(found)
}

/// The segments' files. A directory that is not there has none.
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
