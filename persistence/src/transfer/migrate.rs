//! Copy and transform: a whole log becomes another one, in a new store.
//!
//! A [transform](Transform) looks at each commit and says what its events are to be: the same, others, none or
//! several, of this stream or another. Order, times, metadata and command ids stay. Where no event is
//! dropped or added, versions and positions stay, too; otherwise they close up.
//!
//! ```
//! use super::migrate::{self, Rewrite};
//! use actuarius_persistence::{CommitView, EncodedEvent, disk, go_on};
//!
//! # let directory = tempfile::tempdir()?;
//! # let (old, new) = (directory.path().join("old"), directory.path().join("new"));
//! let (old, mut new) = (disk::open(old)?, disk::open(new)?);
//! let mut rename = |commit: &CommitView<'_>, out: &mut Rewrite| {
//!     for event in commit.events() {
//!         let mut event = EncodedEvent::from(&event);
//!         if event.event_type == "PaidIn" {
//!             event.event_type = "Deposited".to_owned();
//!         }
//!         out.put(event);
//!     }
//!     Ok(())
//! };
//! let migrated = migrate::run(&*old.reader, &mut new, &mut rename, &mut go_on)?;
//! println!("{} events have become {}", migrated.events_read, migrated.events_written);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! After an interruption, whatever it was, [`run`] goes on where it stopped. When the old store has grown
//! meanwhile, it can be run again for what is new. Notes and snapshots are not taken along: positions may mean other
//! events, and snapshots are made again.

mod error;
mod note;
mod output;
mod rewrite;
mod running;

use crate::CommitView;
use crate::record::chain::ChainEnd;

pub use error::MigrateError;
pub use rewrite::Rewrite;
pub use running::run;

/// Why a commit cannot be transformed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Says what becomes of a commit. It must say the same whenever it is asked about the same commit: after an
/// interruption it is asked again about some.
pub trait Transform {
    /// Puts into `out` what the events of the commit are to be. Without any the commit vanishes.
    ///
    /// A commit that was removed from its store has no events; it stays as what is left of it if it is
    /// [kept](Rewrite::keep) and none of its stream's versions has changed, otherwise it vanishes.
    ///
    /// # Errors
    /// Whatever it cannot do. The migration ends there, and goes on there when it is run again.
    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError>;
}

impl<F> Transform for F
where
    F: FnMut(&CommitView<'_>, &mut Rewrite) -> Result<(), BoxError>,
{
    fn transform(&mut self, commit: &CommitView<'_>, out: &mut Rewrite) -> Result<(), BoxError> {
        self(commit, out)
    }
}

/// What was migrated, in all runs together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The end of the old store's log. Its chain was followed from the beginning.
    pub from: ChainEnd,
    /// The end of the new store's log. It was read again, and is what the transform has said.
    pub to: ChainEnd,
    /// Commits of the old store.
    pub commits_read: u64,
    /// Events of the old store.
    pub events_read: u64,
    /// Commits of the new store.
    pub commits_written: u64,
    /// Events of the new store.
    pub events_written: u64,
}
