//! The durable store: an event log in [sled](https://docs.rs/sled/0.34.7), made safe.
//!
//! sled 0.34.7 alone does not survive power cuts, whatever its `flush` promises. Each guard here
//! answers something that was seen to lose data:
//!
//! - `flush` does not reach the platter: each group ends with our own sync of sled's file (`engine`).
//! - More than about a megabyte between two syncs can lose everything: at most 256 KB are written
//!   between them, larger batches are split (`writer`).
//! - Large tree nodes go to files that are never synced: no value is larger than 5 KB (`keys`).
//! - A torn settings file makes a store unreadable: stores are created aside (`create`).
//! - A snapshot half written blocks every open: it is removed (`open`).
//! - A flipped bit drops everything behind it without a word: checksums with positions, positions
//!   without gaps, and a high-water mark outside sled (`chunk`, `reader`, `mark`).
//! - Batches are not isolated from readers: those stop at a watermark raised after the sync, and
//!   before a gate where it is about notes (`notes`).
//! - Walking down guesses where the leaf before begins, and fails at keys with five `FF`: keys of
//!   tables have no four (`table/keys`); those of the log cannot have them where it matters
//!   (`docs/decisions/0024`).
//! - Panics: caught in open, in commits (which then stop for good) and in reads.
//!
//! The log is packed: the commits of a group share few values (`chunk`), because one insert costs as
//! much as 20 small events. Which commits a stream has is kept in memory first and written later, in
//! large sorted runs (`index`, `drain`, `merge`). The tables of views have a sled each, behind the
//! same guards (`table`). A store's directory holds:
//!
//! ```text
//! store.lock      locked while the store is open
//! store/FORMAT    what this is, in text
//! store/mark      the high-water mark
//! store/log/      sled
//! store.*/        a store being made or compacted
//! archive/        segments with what was moved out of the log
//! ```

mod compact;
mod create;
mod engine;
mod error;
pub(crate) mod files;
pub(crate) mod format;
mod high_water_mark;
mod index;
mod keys;
mod log;
mod notes;
mod open;
mod options;
mod release;
#[cfg(feature = "archive")]
mod restore;
mod snapshots;
mod swap;
pub(crate) mod table;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod testing;

use std::path::{Path, PathBuf};

pub use compact::{Compacted, compact};
pub use options::SledOptions;
#[cfg(feature = "archive")]
pub use restore::restore;

use actuarius_persistence::views::Views;
use actuarius_persistence::{OpenError, Store};
use std::sync::Arc;

/// Opens the store in `directory`, or creates one there, with settings that need no thought.
///
/// The directory may hold other files. Whoever holds the [`Store`]'s writer or reader keeps it open.
///
/// # Errors
/// [`OpenError`]; nothing acknowledged has been changed.
pub fn open(directory: impl AsRef<Path>) -> Result<Store, OpenError> {
    open_with(directory, &SledOptions::default())
}

/// Opens the store in `directory`, or creates one there.
///
/// # Errors
/// [`OpenError`]; nothing acknowledged has been changed.
pub fn open_with(directory: impl AsRef<Path>, options: &SledOptions) -> Result<Store, OpenError> {
    open::open(directory.as_ref(), options)
}

/// How much of each view table is kept in memory.
const VIEW_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Keeps views in a directory, each table in a sled of its own. The directory is created when it is
/// first used, and may hold other files. A table keeps 64 MiB of pages in memory.
pub fn views(directory: impl Into<PathBuf>) -> Views {
    views_with(directory, SledOptions::default().cache_bytes(VIEW_CACHE_BYTES))
}

/// Keeps views in a directory, with other than the default options.
pub fn views_with(directory: impl Into<PathBuf>, options: SledOptions) -> Views {
    Views::on_disk(directory, Arc::new(options))
}
