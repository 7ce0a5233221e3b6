//! The archive of an open store, which reads fetch archived commits from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::{Position, StreamId, Version};
use uuid::Uuid;

use super::catalog::{Catalog, LOOKS};
use super::error::ArchiveError;
use super::listing::{Work, remove_unfinished};
use super::purging::{Purged, purge_with};
use super::segment::Segment;
use super::stream_sets::StreamSets;
use crate::error::{Damage, ReadError};
use crate::files::absolute;
use crate::record::{Commit, Gone};
use crate::store::Page;

/// The archive of an open store. For engines. At most 32 segments are open at once.
pub struct Mounted {
    segments: Catalog,
    streams: Mutex<StreamSets>,
}

/// A commit that could not be fetched.
struct NotFetched {
    position: Position,
    error: ReadError,
}

impl Mounted {
    /// Returns the archive in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { segments: Catalog::of(absolute(directory)), streams: Mutex::default() }
    }

    /// Returns the directory of the archive.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.segments.directory()
    }

    /// Removes the files that a killed process was writing, which may contain events of a stream that is deleted.
    /// Nothing reads them.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn remove_unfinished(&self) -> std::io::Result<()> {
        let work = Work::on(self.directory());
        let _held = work.begin();
        remove_unfinished(self.directory())
    }

    /// Reads a page, and replaces the stubs of archived commits in it by the commits. `read` returns
    /// the page as it is stored. It is called again if a commit was deleted after the page was read.
    ///
    /// # Errors
    /// Returns [`ReadError::Archived`] if a segment is missing, and other [`ReadError`]s if it cannot be
    /// read.
    pub fn complete(
        &self,
        mut read: impl FnMut() -> Result<Page, ReadError>,
    ) -> Result<Page, ReadError> {
        let mut page = read()?;
        for _ in 0..LOOKS {
            let Err(NotFetched { position, error }) = self.fill(&mut page) else { return Ok(page) };
            page = read()?;
            let found = page.commits.iter().find(|commit| commit.position() == position);
            if found.is_none_or(|commit| matches!(commit.gone(), Some(Gone::Archived(_)))) {
                return Err(error);
            }
        }
        self.fill(&mut page).map_err(|failed| failed.error)?;
        Ok(page)
    }

    /// Fetches segment by segment, so that each is opened once for a page.
    fn fill(&self, page: &mut Page) -> Result<(), NotFetched> {
        let mut archived: Vec<(Uuid, usize)> = Vec::new();
        for (place, commit) in page.commits.iter().enumerate() {
            if let Some(Gone::Archived(segment)) = commit.gone() {
                archived.push((segment, place));
            }
        }
        archived.sort_unstable();
        for (segment, place) in archived {
            let stub = &page.commits[place];
            let fetched = self.fetch(stub, segment);
            let position = stub.position();
            page.commits[place] = fetched.map_err(|error| NotFetched { position, error })?;
        }
        Ok(())
    }

    /// Returns the commit that a stub replaces.
    ///
    /// # Errors
    /// Returns [`ReadError::Archived`] if the segment is missing, and other [`ReadError`]s if it cannot
    /// be read.
    pub fn fetch(&self, stub: &Commit, segment: Uuid) -> Result<Commit, ReadError> {
        let Some(open) = self.segments.segment(segment)? else {
            return Err(ReadError::Archived {
                stream: stub.stream(),
                position: stub.position(),
                segment,
                directory: self.directory().to_owned(),
            });
        };
        match commit_of(&open, stub)? {
            Some(commit) => Ok(commit),
            None => Err(ReadError::Damaged(Damage {
                stream: Some(stub.stream()),
                position: stub.position(),
                what: format!("{} does not contain the archived commit", open.path().display()),
            })),
        }
    }

    /// Removes the events of a deleted stream before the version `end` of its end from the archive, after they were
    /// removed from the log. Returns the number of removed commits. The first call reads all files of the archive; later ones read only those that
    /// may contain the stream.
    ///
    /// # Errors
    /// Returns [`ArchiveError`] if a segment cannot be rewritten. Completed segments stay purged; call it
    /// again for the others.
    pub fn purge(&self, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
        // What a panic leaves in it is compared with the files.
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let purged = purge_with(self.directory(), &Purged { stream, end }, &mut streams);
        if !matches!(purged, Ok(0)) {
            // Files were replaced, perhaps also before an error.
            self.segments.forget();
        }
        purged
    }
}

/// Returns the commit that the stub replaces, if the segment contains it.
fn commit_of(segment: &Arc<Segment>, stub: &Commit) -> Result<Option<Commit>, ReadError> {
    let found = segment.commit_at(stub.position())?;
    Ok(found.filter(|commit| commit.hash() == stub.hash() && commit.gone().is_none()))
}
