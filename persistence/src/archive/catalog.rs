//! The files of an archive by the segments they contain, and the few of them that are open.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::listing::{ENDING, files};
use super::segment::{Kind, Segment, SegmentError, head_of};
use crate::error::ReadError;

/// How many segments are open at once. Each takes a descriptor, of which a process often has 1,024 for
/// its sockets as well, and up to a megabyte for blocks that were read.
pub(super) const SEGMENTS_OPEN: usize = 32;

/// How often a segment is looked up again because its file was replaced in between. Each time another
/// deletion has ended.
pub(super) const LOOKS: usize = 16;

/// Finds segments by their ids. The heads of all files are known after the first miss; reading a segment
/// needs a descriptor only while it is one of those used last.
pub(super) struct Catalog {
    directory: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The file of each segment.
    files: HashMap<Uuid, PathBuf>,
    /// The files whose heads were read.
    read: HashSet<PathBuf>,
    /// The files that are not segments, and were logged.
    unusable: HashSet<PathBuf>,
    /// The open segments, the one used last at the end.
    open: Vec<Arc<Segment>>,
}

impl Catalog {
    pub(super) fn of(directory: PathBuf) -> Self {
        Self { directory, known: Mutex::default() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is known is a cache of what is on disk.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all segments, and reads the directory again when one is needed.
    pub(super) fn forget(&self) {
        *self.known() = Known::default();
    }

    /// Returns the segment `id`, or `None` if no file of the archive contains it.
    ///
    /// # Errors
    /// Returns [`ReadError`] if it may be there, but a file cannot be opened or read now.
    pub(super) fn segment(&self, id: Uuid) -> Result<Option<Arc<Segment>>, ReadError> {
        for _ in 0..LOOKS {
            if let Some(open) = self.known().used(id) {
                return Ok(Some(open));
            }
            let Some(path) = self.find(id)? else { return Ok(None) };
            match Segment::open(&path) {
                Ok(segment) if segment.head().id == id => {
                    let segment = Arc::new(segment);
                    self.known().opened(segment.clone());
                    return Ok(Some(segment));
                }
                // The file was replaced by another one.
                Ok(_) => self.known().lose(id, &path),
                Err(error) if is_missing(&error) => self.known().lose(id, &path),
                Err(error) => {
                    // Descriptors may be free again by the next attempt, and a file may be copied again.
                    self.known().lose(id, &path);
                    return self.unusable(&path, error).map(|()| None);
                }
            }
        }
        let what =
            format!("the file of segment {id} was replaced {LOOKS} times while it was opened");
        Err(io::Error::new(io::ErrorKind::Interrupted, what).into())
    }

    /// Returns the file that contains the segment: the one that is known, the one of the usual name, or
    /// one that was added since the directory was last read.
    fn find(&self, id: Uuid) -> Result<Option<PathBuf>, ReadError> {
        if let Some(path) = self.known().files.get(&id) {
            return Ok(Some(path.clone()));
        }
        let mut failed = self.read_head(self.directory.join(format!("{id}.{ENDING}"))).err();
        if !self.known().files.contains_key(&id) {
            for path in files(&self.directory)? {
                failed = self.read_head(path).err().or(failed);
            }
        }
        match (self.known().files.get(&id), failed) {
            (Some(path), _) => Ok(Some(path.clone())),
            // The file that could not be read may be the one.
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Reads the head of a file, unless it was read before.
    fn read_head(&self, path: PathBuf) -> Result<(), ReadError> {
        if self.known().read.contains(&path) {
            return Ok(());
        }
        match head_of(&path) {
            Ok(head) => {
                let mut known = self.known();
                if head.kind == Kind::Archive {
                    known.files.insert(head.id, path.clone());
                }
                known.read.insert(path);
                Ok(())
            }
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => self.unusable(&path, error),
        }
    }

    /// Logs a file that is not a complete segment once; it counts as missing until it is. Returns every
    /// other error, because the file may be the requested segment.
    fn unusable(&self, path: &Path, error: SegmentError) -> Result<(), ReadError> {
        if !matches!(error, SegmentError::NotWhole { .. } | SegmentError::Another { .. }) {
            return Err(error.into());
        }
        if self.known().unusable.insert(path.to_owned()) {
            tracing::warn!(
                target: "actuarius::store",
                path = %path.display(),
                %error,
                "a file in the archive cannot be read"
            );
        }
        Ok(())
    }
}

impl Known {
    /// Returns an open segment, and marks it as the one used last.
    fn used(&mut self, id: Uuid) -> Option<Arc<Segment>> {
        let place = self.open.iter().rposition(|open| open.head().id == id)?;
        let segment = self.open.remove(place);
        self.open.push(segment.clone());
        Some(segment)
    }

    fn opened(&mut self, segment: Arc<Segment>) {
        self.open.retain(|open| open.head().id != segment.head().id);
        if self.open.len() >= SEGMENTS_OPEN {
            self.open.remove(0);
        }
        self.open.push(segment);
    }

    fn lose(&mut self, id: Uuid, path: &Path) {
        self.files.remove(&id);
        self.read.remove(path);
    }
}

fn is_missing(error: &SegmentError) -> bool {
    matches!(error, SegmentError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
