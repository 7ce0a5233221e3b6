//! The storage seam of Actuarius: records, stores, their contract, and everything that works on any store.
//!
//! Everything here is synchronous: bytes and batches, no async. Services depend on the crate `actuarius`,
//! which re-exports this one as `actuarius::store`. The embedded engine is in the crate `actuarius-sled`.
//!
//! Read in this order: [`Append`] (events to be stored) and [`Commit`] (stored events), [`Codec`] (typed
//! events to bytes), [`Writer`] and [`Reader`] (the seam), [`memory`] (the model store), `contract` (the
//! requirements on every store, as test cases), `fault` (a store that fails on demand), [`table`] and
//! [`views`] (data derived from the log), [`archive`] (events outside of the log), `backup`, `copy`,
//! `export` and `migrate` (transfers of whole histories), and `Personal` with `keys` (personal data that
//! can be erased).
//!
//! Items whose documentation says "For engines" are needed only to implement a store.

// Parts of the record and of the seam serve features that a build may be without.
#![cfg_attr(
    not(all(feature = "archive", feature = "erasure", feature = "testing", feature = "transfer")),
    allow(dead_code)
)]

#[doc(hidden)]
pub mod crash_points;
mod error;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod mutations;

mod record;
mod store;
pub mod table;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod test_rng;
mod transfer;
pub mod wire;

pub mod archive;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
pub mod files;
#[cfg(feature = "erasure")]
pub mod keys;
pub mod personal;
pub mod views;

#[cfg(feature = "archive")]
pub use archive::segment;
pub use error::{Conflict, Damage, OpenError, ReadError, Refusal, StoreFailure};
#[cfg(feature = "erasure")]
pub use personal::Personal;
pub use record::chain;
pub use record::codec::{Codec, CodecError};
pub use record::lineage::{Ancestor, Lineage};
pub use record::note::{
    CHANGE_BYTES, NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX, NOTES_BYTES_MAX, Note, NoteChange,
    NoteTooLarge, Notes,
};
pub use record::snapshot::{NewSnapshot, Snapshot};
pub use record::{
    Append, COMMIT_BYTES_MAX, Commit, CommitView, Deletion, EncodedEvent, EventView, FRAME_HEAD,
    Gone, NewCommit, Part, Removal, stub_frame,
};
pub use store::recorded_shape::RecordedShape;
pub use store::{
    AmbiguousTime, AppendOutcome, Batch, CommitTime, Maintenance, Page, PageLimit, Reader, Store,
    StoreInfo, TimePolicy, TimeSearch, Writer, verify_log, with_own_sealer, with_sealer,
};
pub use store::{memory, verify};
#[cfg(feature = "archive")]
pub use transfer::backup;
pub use transfer::batches::Batches;
pub use transfer::progress::{OnProgress, Progress, ignore_progress};
#[cfg(feature = "transfer")]
pub use transfer::{copy, export, migrate};
