//! Operations on a running store: backup, archive, deletion and migration.

pub(crate) mod archive;
pub(crate) mod backup;
pub(crate) mod deletion;
pub(crate) mod migration;

pub use archive::{ArchivePart, Archived, ArchivingError};
pub use backup::BackupBuilder;
pub use deletion::{Deleted, Reuse};
pub use migration::{OtherState, Reencode, SameStates, same_states};

/// How many commits are removed from the log at once. The store rewrites a page for each of them, and commands
/// wait for that: for 32 a few milliseconds.
const REMOVALS_AT_ONCE: usize = 32;
