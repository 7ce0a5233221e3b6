//! Migrates a store: copies and transforms a whole log into a new store.
//!
//! A [transform](Transform) defines the new events of each commit: the same, others, none or several, of
//! the same stream or another. Order, times, metadata and command ids are kept. If no event is dropped or
//! added, versions and positions are kept, too; otherwise they are renumbered without gaps.
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use actuarius::store::migrate::{self, Rewrite};
//! use actuarius::store::{CommitView, EncodedEvent, ignore_progress, memory};
//!
//! let (old, mut new) = (memory::open(), memory::open());
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
//! let migrated = migrate::run(&*old.reader, &mut new, &mut rename, &mut ignore_progress)?;
//! println!("{} events read, {} written", migrated.events_read, migrated.events_written);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! After any interruption, [`run`] resumes where it stopped. If the old store has grown since, run it again
//! for the new events. Notes and snapshots are not copied: positions may refer to other events, and
//! snapshots are rebuilt. Only recorded shapes are, of event types whose bytes are copied unchanged; a transform
//! [records](Rewrite::record) those of the event types that it encodes again.

mod error;
mod moves;
mod note;
mod output;
mod rehearsing;
mod rewrite;
mod running;
mod shapes;

use crate::record::CommitView;
use crate::record::chain::ChainEnd;
use crate::store::Reader;

pub use error::MigrateError;
pub use moves::Moves;
pub use rehearsing::{Watch, rehearse, rehearse_commit};
pub use rewrite::Rewrite;
pub use running::run;

/// Why a commit cannot be transformed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Defines the new events of a commit. It must always return the same for the same commit, because it is
/// called again for some commits after an interruption.
pub trait Transform {
    /// Prepares for the commits of a store. It is called in each run before the first commit. In a store with sagas, all
    /// commits are transformed once as a rehearsal, and then it is called again.
    ///
    /// # Errors
    /// Returns an error if the store cannot be transformed. Nothing was written.
    fn begin(&mut self, from: &dyn Reader) -> Result<(), BoxError> {
        let _ = from;
        Ok(())
    }

    /// Puts the new events of the commit into `out`. A commit without events is dropped.
    ///
    /// A commit that was removed from its store has no events. Its stub is copied if it is
    /// [kept](Rewrite::keep) and the versions of its stream have not changed; otherwise it is dropped.
    ///
    /// # Errors
    /// Returns an error if the commit cannot be transformed. The migration stops, and resumes at this
    /// commit when it is run again.
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

/// The result of a migration, in all runs together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The end of the log of the old store. Its chain was checked from the beginning.
    pub from: ChainEnd,
    /// The end of the log of the new store. It was read again, and matches the result of the transform.
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
