//! Operations on a running store: backup, archive, deletion and migration.

#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "archive")]
mod backup;
pub(crate) mod deletion;
#[cfg(feature = "transfer")]
mod migration;
#[cfg(all(feature = "sagas", feature = "transfer"))]
pub(crate) mod saga_migration;

#[cfg(feature = "archive")]
pub use archive::{ArchivePart, Archived, ArchivingError};
#[cfg(feature = "archive")]
pub use backup::BackupBuilder;
pub use deletion::{Delete, Deleted, Reuse};
#[cfg(feature = "transfer")]
pub use migration::{OtherState, Reencode, SameStates, same_states};

/// How many commits are removed from the log at once. The store rewrites a page for each of them, and commands
/// wait for that: for 32 a few milliseconds.
const REMOVALS_AT_ONCE: usize = 32;
