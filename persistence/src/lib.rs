//! The storage seam of Actuarius: what is stored, in which bytes, and what every store must do.
//!
//! Everything here is synchronous: bytes and batches, no async. Read in this order: [`Append`] (what an aggregate wants stored) and [`Commit`] (what a store hands
//! back), [`Codec`] (typed event to bytes), [`Writer`] and [`Reader`] (the seam), [`memory`] (the
//! model store), [`disk`] (the sled store), [`fault`] (any store, failing on demand),
//! [`contract`] (what every store must do, as runnable cases), [`views`] (where the read side
//! keeps what it derives), [`segment`] (commits in files that never change), and [`Personal`] with
//! [`keys`] (what can be forgotten).

mod codec;
mod cuts;
mod dice;
mod error;
mod filling;
mod lineage;
mod note;
mod personal;
mod progress;
mod record;
mod snapshot;
mod store;
mod wire;

pub mod archive;
pub mod backup;
pub mod chain;
pub mod contract;
pub mod copy;
pub mod disk;
pub mod export;
pub mod fault;
pub mod keys;
pub mod memory;
pub mod migrate;
pub mod segment;
pub mod verify;
pub mod views;

pub use codec::{Codec, CodecError};
pub use error::{Conflict, Damage, OpenError, ReadError, StoreFailure};
pub use lineage::{Ancestor, Lineage};
pub use note::{
    NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX, NOTES_BYTES_MAX, Note, NoteChange, NoteTooLarge,
    Notes,
};
pub use personal::Personal;
pub use progress::{OnProgress, Progress, go_on};
pub use record::{
    Append, Commit, CommitView, Deletion, EncodedEvent, EventView, Gone, NewCommit, Part, Removal,
};
pub use snapshot::{NewSnapshot, Snapshot};
pub use store::{
    AppendOutcome, Batch, COMMIT_BYTES_MAX, Page, PageLimit, Reader, Store, StoreInfo, Writer,
};
