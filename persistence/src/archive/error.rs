//! Errors of the archive.

use thiserror::Error;

use super::segment_error::SegmentError;
use crate::error::ReadError;

/// Why events could not be moved into the archive. All of them are still in the log, or in the segments
/// that were returned before.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// This build cannot open the archive, which contains segments. They are unchanged. A deletion has
    /// ended the stream; it removes the events from the archive when a build with the feature `archive`
    /// opens the store.
    #[error("the archive is not enabled: add the feature `archive` to the build")]
    NotEnabled,
    /// The segment could not be written or read back.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}
