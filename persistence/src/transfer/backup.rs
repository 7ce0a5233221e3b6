//! Backups: taken while the store is written, incremental, and restored to any position.
//!
//! A backup is a directory. Each *run* adds segments of the log after the end of the previous run, the
//! notes as they were at its start, the recorded shapes of event types as they were at its end, and finally a
//! *manifest* with the names and hashes of these files.
//! Files that no manifest names are not part of the backup. `docs/FORMAT.md` describes the files.
//!
//! A restored store is a new one, with its own identity. It records whose history it shares
//! ([`Lineage`](crate::Lineage)), so that checkpoints and views of the old one stay valid.
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use actuarius::store::backup::{self, TakeOptions, Until};
//! use actuarius::store::{ignore_progress, memory};
//!
//! # let directory = tempfile::tempdir()?;
//! # let saved = directory.path().join("saved");
//! let store = memory::open();
//! backup::take(&*store.reader, &saved, &TakeOptions::default(), &mut ignore_progress)?; // repeatedly
//!
//! backup::verify(&saved, &mut ignore_progress)?;
//! let mut copy = memory::open();
//! backup::load(&saved, &mut copy, Until::End, &mut ignore_progress)?;
//! assert_eq!(copy.reader.maintenance().chain()?, store.reader.maintenance().chain()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archived;
mod error;
mod loading;
mod manifest;
mod notes;
mod place;
mod restoring;
mod survey;
mod taking;
#[cfg(test)]
mod tests;
mod unended;
mod verifying;
mod versions;

use std::path::Path;

use actuarius_domain::{Position, Timestamp};
use uuid::Uuid;

use crate::record::chain::ChainEnd;
use crate::store::TimePolicy;

pub use error::BackupError;
pub use loading::{Loaded, load};
pub use restoring::{Engine, Restored, restore};
pub use taking::{TakeOptions, take};
pub use unended::Unended;
pub use verifying::verify;

/// One run of a backup, from its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Its number: 1, 2, 3 …
    pub number: u32,
    /// The identity of the store.
    pub store: Uuid,
    /// The end of the previous run.
    pub from: ChainEnd,
    /// The end of this run.
    pub to: ChainEnd,
    /// The time of its last commit, or `None` if it has no commits.
    pub until: Option<Timestamp>,
    /// The number of commits it added.
    pub commits: u64,
    /// The number of events it added.
    pub events: u64,
    /// The number of notes.
    pub notes: u64,
    /// The size of its files in bytes, without the manifest.
    pub bytes: u64,
}

/// Returns the runs of the backup at `path`, oldest first. Reads only the manifests.
///
/// # Errors
/// Returns [`BackupError`] if a manifest is damaged or missing.
pub fn runs(path: impl AsRef<Path>) -> Result<Vec<Run>, BackupError> {
    let manifests = place::Place::open(path.as_ref())?.manifests()?;
    Ok(manifests.iter().map(manifest::Manifest::run).collect())
}

/// The point up to which a backup is restored. A commit that extends beyond it is not restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// All of it.
    #[default]
    End,
    /// Up to this position.
    Position(Position),
    /// Up to, and without, the first commit that was decided later. If commits that were decided by then
    /// follow it, because a clock was wrong, nothing is restored: [`BackupError::AmbiguousTime`] names them.
    Time(Timestamp),
    /// The same, for a log with commits that are out of order.
    TimeWith(Timestamp, TimePolicy),
}

impl From<Position> for Until {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for Until {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}
