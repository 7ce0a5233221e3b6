//! The durable store of Actuarius: an event log and the tables of views in
//! [sled](https://docs.rs/sled/0.34.7), guarded against power cuts and damage.
//!
//! [`open`] opens or creates a store, [`views`] gives each view a table, [`compact`] frees the space of
//! removed events, and `restore` builds a store from a backup.
//!
//! ```
//! use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
//! use actuarius_persistence::{Append, Batch, Codec, NewCommit, PageLimit};
//!
//! #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
//! enum Event {
//!     Opened { owner: String },
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let mut store = actuarius_sled::open(directory.path())?;
//!
//! let mut append = Append::new(StreamId::new("account", "alice")?, Version::NONE);
//! let commit = NewCommit {
//!     time: Timestamp::from_micros(1),
//!     command_id: "open-account".into(),
//!     named_by_caller: true,
//!     metadata: &Metadata::default(),
//! };
//! append.push(commit, Codec::Json, &[Event::Opened { owner: "Alice".into() }], |_| 1)?;
//! let batch = Batch { appends: vec![append], ..Batch::default() };
//! for outcome in store.writer.commit(&batch)? {
//!     outcome?;
//! }
//!
//! let page = store.reader.read_log(Position::NONE, PageLimit::default())?;
//! let event: Event = page.commits[0].view().events().next().expect("one event").decode()?;
//! assert_eq!(event, Event::Opened { owner: "Alice".into() });
//! # Ok(())
//! # }
//! ```
//!
//! # Guards
//!
//! sled 0.34.7 alone loses data in a power cut, even after `flush`. Each guard answers a loss that was
//! observed:
//!
//! - **`flush` does not reach the disk.** Each group of writes ends with a sync of sled's file
//!   (`engine`).
//! - **More than a segment between two syncs can lose the whole store.** What sled writes for a change is
//!   accounted, and groups are synced before it is too much (`engine::accounting`, `log::packing`). Large
//!   snapshots are stored in pieces (`log::backlog`).
//! - **Large tree nodes go to files that sled never syncs.** No value is larger than 5 KiB (`keys`).
//! - **A torn settings file makes a store unreadable.** A new store is built in a directory of its own
//!   and renamed when it is durable (`create`).
//! - **A half-written snapshot of sled makes every open fail.** It is removed before sled opens
//!   (`engine`).
//! - **A flipped bit can silently drop everything after it.** Checksums cover the position, positions
//!   have no gaps, and a high-water mark is kept outside sled (`log::chunk`, `log::reader`,
//!   `high_water_mark`).
//! - **Batches are not isolated from readers.** Readers stop at a position that is published after the
//!   sync (`log::shared`); readers of notes wait at a gate (`log::gate`).
//! - **Descending scans guess where the previous leaf begins, and fail at keys with five `FF` bytes.**
//!   Keys of tables never contain four in a row (`table::keys`). The log is not scanned downwards where
//!   its keys could contain them (`docs/decisions/0024`).
//! - **sled panics on some damage.** Panics are caught in open, in reads, and in commits, which then
//!   stop permanently.
//!
//! # Layout
//!
//! The log is packed: the commits of a group share a few values (`log::chunk`), because one insert costs
//! as much as 20 small events. The index of each stream's commits is kept in memory first and written
//! later, in large sorted runs (`index`). Each view table has a sled of its own, with the same guards
//! (`table`). The directory of a store contains:
//!
//! ```text
//! store.lock      locked while the store is open
//! store/FORMAT    the format and the identity, as text
//! store/mark      the high-water mark
//! store/log/      sled
//! store/torn/     what sled would erase, while a damaged store is opened
//! store.*/        a store that is being created or compacted
//! archive/        segments of what was moved out of the log
//! ```

mod compact;
mod create;
#[cfg(test)]
mod damaged_pages;
mod engine;
mod error;
mod files;
mod forensics;
mod format;
mod high_water_mark;
mod index;
mod kept;
mod keys;
mod leftovers;
mod log;
#[cfg(all(test, target_os = "linux"))]
mod measured;
mod notes;
mod open;
mod options;
#[cfg(test)]
mod postponed;
mod release;
#[cfg(feature = "archive")]
mod restore;
mod sealed;
mod snapshots;
mod swap;
mod table;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_persistence::files::absolute;
use actuarius_persistence::views::Views;
use actuarius_persistence::{OpenError, Store};

pub use compact::{Compacted, compact};
pub use forensics::{Forensics, open_for_forensics};
pub use options::SledOptions;
#[cfg(feature = "archive")]
pub use restore::restore;

/// Opens the store in `directory` with the default options, or creates one there.
///
/// The directory may contain other files. A relative path is resolved now. The store stays open until its writer and all clones of its
/// reader are dropped.
///
/// # Errors
/// Returns an [`OpenError`]. No acknowledged data was changed.
pub fn open(directory: impl AsRef<Path>) -> Result<Store, OpenError> {
    open_with(directory, &SledOptions::default())
}

/// Opens the store in `directory` with these options, or creates one there.
///
/// # Errors
/// Returns an [`OpenError`]. No acknowledged data was changed.
pub fn open_with(directory: impl AsRef<Path>, options: &SledOptions) -> Result<Store, OpenError> {
    open::open(&absolute(directory.as_ref()), options)
}

/// The default page cache of a view table.
const VIEW_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Returns views that are stored in `directory`, each table in a sled of its own.
///
/// The directory is created on first use and may contain other files. Each table caches 64 MiB of
/// pages.
pub fn views(directory: impl Into<PathBuf>) -> Views {
    views_with(directory, SledOptions::default().cache_bytes(VIEW_CACHE_BYTES))
}

/// Returns views that are stored in `directory`, with these options.
pub fn views_with(directory: impl Into<PathBuf>, options: SledOptions) -> Views {
    Views::on_disk(directory, Arc::new(options))
}
