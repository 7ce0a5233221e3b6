//! The archive: segments with the events of commits that were moved out of the log.
//!
//! What is left in the log is a stub: where the commit stood, its hash, and the name of its
//! [segment](segment). As long as the segment's file is in the archive's directory, reads
//! fetch the events from there and nobody notices; when it is not, they say so
//! ([`ReadError::Archived`](crate::ReadError::Archived)), and never go on behind a gap.
//!
//! Moving takes two steps, so that events are always in one of the two places: [`Moving`] writes a
//! segment and reads it back, then the removals it names are committed. A segment whose removals
//! were not committed is superfluous, and harmless.

pub(crate) mod error;
mod mounted;
mod moving;
mod purging;
pub mod segment;

pub use error::ArchiveError;
pub use mounted::{Mounted, files};
pub use moving::{Moved, Moving, Wanted};
pub use purging::purge;
