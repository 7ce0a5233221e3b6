//! Why events could not be moved into the archive, or out of it.

use thiserror::Error;

use super::segment::SegmentError;
use crate::error::ReadError;

/// Why events could not be moved into the archive. They are all in the log, or in the segments
/// that were handed out before.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The segment could not be written, or not read back.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}
