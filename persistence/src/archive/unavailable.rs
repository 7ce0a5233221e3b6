//! The archive of a store in a build without the feature `archive`: archived events are reported as
//! archived, and cannot be read.

use std::path::{Path, PathBuf};

use actuarius_domain::{StreamId, Version};
use uuid::Uuid;

use super::error::ArchiveError;
use crate::error::ReadError;
use crate::record::{Commit, Gone};
use crate::store::Page;

/// The archive of an open store, which this build cannot read.
pub struct Mounted {
    directory: PathBuf,
}

impl Mounted {
    /// Returns the archive in `directory`.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Returns the directory of the archive.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves the files that a killed process was writing to a program with the feature: only such a program writes them.
    ///
    /// # Errors
    /// Never, without the feature.
    #[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub fn remove_unfinished(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Reads a page, and returns it if none of its commits is archived.
    ///
    /// # Errors
    /// Returns [`ReadError::Archived`] for the first archived commit.
    pub fn complete(
        &self,
        mut read: impl FnMut() -> Result<Page, ReadError>,
    ) -> Result<Page, ReadError> {
        let page = read()?;
        for commit in &page.commits {
            if let Some(Gone::Archived(segment)) = commit.gone() {
                self.fetch(commit, segment)?;
            }
        }
        Ok(page)
    }

    /// Reports that the commit is archived.
    ///
    /// # Errors
    /// Always returns [`ReadError::Archived`].
    pub fn fetch(&self, stub: &Commit, segment: Uuid) -> Result<Commit, ReadError> {
        Err(ReadError::Archived {
            stream: stub.stream(),
            position: stub.position(),
            segment,
            directory: self.directory.clone(),
        })
    }

    /// Takes the events of a stream out of an archive that has none.
    ///
    /// # Errors
    /// [`ArchiveError::NotEnabled`] if there is a segment in the archive: it may hold the stream.
    /// [`ArchiveError::Read`] if the directory cannot be read.
    pub fn purge(&self, stream: &StreamId, end: Version) -> Result<u64, ArchiveError> {
        purge(&self.directory, stream, end)
    }
}

/// Takes the events of a stream out of an archive that has none.
///
/// # Errors
/// [`ArchiveError::NotEnabled`] if there is a segment in the archive: it may hold the stream.
/// [`ArchiveError::Read`] if the directory cannot be read.
pub fn purge(directory: &Path, _: &StreamId, _: Version) -> Result<u64, ArchiveError> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(ReadError::from)?,
    };
    for entry in entries {
        let path = entry.map_err(ReadError::from)?.path();
        if path.extension().is_some_and(|ending| ending == "seg") {
            return Err(ArchiveError::NotEnabled);
        }
    }
    Ok(0)
}
