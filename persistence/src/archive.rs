//! The archive: segments with the events of commits that were moved out of the log.
//!
//! A stub stays in the log: the position of the commit, its hash, and the name of its segment. If the
//! file of the segment is in the directory of the archive, reads fetch the events from it transparently.
//! If it is missing, they return [`ReadError::Archived`](crate::ReadError::Archived), and never skip the
//! gap.
//!
//! Moving takes two steps, so that events are always in one of the two places: `Moving` writes a
//! segment and reads it back, then the removals it returns are committed. A segment whose removals
//! were not committed is unused, and harmless.

#[cfg(feature = "archive")]
mod catalog;
pub(crate) mod error;
#[cfg(feature = "archive")]
mod listing;
#[cfg(feature = "archive")]
mod mounted;
#[cfg(not(feature = "archive"))]
#[path = "archive/unavailable.rs"]
mod mounted;
#[cfg(feature = "archive")]
mod moving;
#[cfg(feature = "archive")]
mod purging;
#[cfg(feature = "archive")]
pub mod segment;
pub(crate) mod segment_error;
#[cfg(feature = "archive")]
mod stream_sets;

pub use error::ArchiveError;
#[cfg(feature = "archive")]
pub use listing::files;
pub use mounted::Mounted;
#[cfg(not(feature = "archive"))]
pub use mounted::purge;
#[cfg(feature = "archive")]
pub use moving::{Moved, Moving, Wanted};
#[cfg(feature = "archive")]
pub use purging::purge;
pub use segment_error::SegmentError;
