//! The storage seam of Actuarius: what is stored, in which bytes, and what every store must do.
//!
//! Everything here is synchronous: bytes and batches, no async. Read in this order: [`Append`] (what an aggregate wants stored) and [`Commit`] (what a store hands
//! back), [`Codec`] (typed event to bytes), [`Writer`] and [`Reader`] (the seam), [`memory`] (the
//! model store), [`disk`] (the sled store), [`fault`] (any store, failing on demand),
//! [`contract`] (what every store must do, as runnable cases), [`views`] (where the read side
//! keeps what it derives), [`segment`] (commits in files that never change), and [`Personal`] with
//! [`keys`] (what can be forgotten).

mod crash_points;
mod error;

mod record;
mod store;
mod table;
mod test_rng;
mod transfer;
mod wire;

pub mod archive;
pub mod contract;
pub mod disk;
pub mod fault;
pub mod files;
pub mod keys;
pub mod personal;
pub mod views;

pub use record::chain;
pub use record::codec::{Codec, CodecError};
pub use archive::segment;
pub use error::{Conflict, Damage, OpenError, ReadError, StoreFailure};
pub use record::lineage::{Ancestor, Lineage};
pub use record::note::{NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX, NOTES_BYTES_MAX, Note, NoteChange, NoteTooLarge, Notes};
pub use personal::Personal;
pub use transfer::progress::{OnProgress, Progress, go_on};
pub use record::{
    Append, COMMIT_BYTES_MAX, Commit, CommitView, Deletion, EncodedEvent, EventView, Gone, NewCommit, Part, Removal,
};
pub use record::snapshot::{NewSnapshot, Snapshot};
pub use store::{memory, verify};
pub use transfer::{backup, copy, export, migrate};
pub use store::{
    AppendOutcome, Batch, Maintenance, Page, PageLimit, Reader, Store, StoreInfo, Writer, guard, guard_with_its_own,
};
