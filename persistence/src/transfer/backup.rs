//! Backups: taken while the store is written, full at first and then only of what is new; and
//! restored to any position.
//!
//! A backup is a directory. Each *run* adds segments of the log, from where the run before ended, the
//! notes as they were when it began, and last of all a *manifest*, which names and hashes the others:
//! what no manifest names does not count. `docs/FORMAT.md` draws the files.
//!
//! A restored store is a new one, with a name of its own. It remembers whose history it shares
//! ([`Lineage`](crate::Lineage)), so that checkpoints and views of the old one go on.
//!
//! ```
//! use actuarius_persistence::backup::{self, TakeOptions, Until};
//! use actuarius_persistence::{go_on, memory};
//!
//! # let directory = tempfile::tempdir()?;
//! # let saved = directory.path().join("saved");
//! let store = memory::open();
//! backup::take(&*store.reader, &saved, &TakeOptions::default(), &mut go_on)?; // as often as you like
//!
//! backup::verify(&saved, &mut go_on)?;
//! let mut copy = memory::open();
//! backup::load(&saved, &mut copy, Until::End, &mut go_on)?;
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
mod taking;
#[cfg(test)]
mod tests;
mod verifying;

use std::path::Path;

use actuarius_domain::{Position, Timestamp};
use uuid::Uuid;

use crate::record::chain::ChainEnd;

pub use error::BackupError;
pub use loading::{Loaded, load};
pub use restoring::{Engine, RESTORING, Restored, restore};
pub use taking::{TakeOptions, take};
pub use verifying::verify;

/// One run of a backup, as its manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// Its number: 1, 2, 3 …
    pub number: u32,
    /// The store it was taken of.
    pub store: Uuid,
    /// Where the run before ended.
    pub from: ChainEnd,
    /// Where it ended.
    pub to: ChainEnd,
    /// When the last commit in it was decided, if there is any.
    pub until: Option<Timestamp>,
    /// How many commits it added.
    pub commits: u64,
    /// How many events.
    pub events: u64,
    /// How many notes there were.
    pub notes: u64,
    /// How many bytes its files take, without the manifest.
    pub bytes: u64,
}

/// The runs of the backup at `path`, oldest first. Only manifests are read.
///
/// # Errors
/// [`BackupError`]; a manifest that is damaged or missing is told.
pub fn runs(path: impl AsRef<Path>) -> Result<Vec<Run>, BackupError> {
    let manifests = place::Place::open(path.as_ref())?.manifests()?;
    Ok(manifests.iter().map(manifest::Manifest::run).collect())
}

/// Up to where a backup is restored. Commits are whole: one that reaches beyond is not restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// All of it.
    #[default]
    End,
    /// Up to this position.
    Position(Position),
    /// Up to the first commit that was decided later. Clocks step back, so there may be earlier ones
    /// behind it: the log is cut once, where it first says a later time.
    Time(Timestamp),
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
