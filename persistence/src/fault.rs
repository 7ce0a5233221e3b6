//! A store that fails on demand, for tests of failures.
//!
//! [`over`] wraps a store and returns it with a handle that scripts failures. The wrapped store contains
//! what a restart would find: open it again.
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use std::sync::Arc;
//!
//! use actuarius::store::fault::{self, Failure};
//! use actuarius::store::{Batch, memory};
//!
//! let disk = Arc::default();
//! let (mut store, faults) = fault::over(memory::reopen(&disk));
//! faults.fail_commit(2, Failure::Unacknowledged);
//!
//! assert!(store.writer.commit(&Batch::default()).is_ok());
//! assert!(store.writer.commit(&Batch::default()).is_err());
//! assert!(store.writer.commit(&Batch::default()).is_err(), "a failed writer stays failed");
//! let after_restart = memory::reopen(&disk);
//! # drop(after_restart);
//! ```
//!
//! A failed store keeps the invariants of [`Writer`](crate::Writer): nothing of the failed batch is
//! visible through it, even if the wrapped store contains it.

mod faults;
mod reader;
mod script;
mod writer;

use std::sync::Arc;

pub use faults::{Faults, Hold};
pub use script::{Counts, Failure};

use crate::store::Store;
use reader::{FaultReader, HiddenBatch};
use writer::FaultWriter;

/// Wraps a store so that it fails as scripted by [`Faults`]. Without faults it behaves like the store.
#[must_use]
pub fn over(store: Store) -> (Store, Faults) {
    let faults = Faults::default();
    let hidden = Arc::new(HiddenBatch::default());
    let reader = FaultReader::new(store.reader.clone(), hidden.clone(), faults.clone());
    let writer = FaultWriter::new(store, hidden, faults.clone());
    (Store { writer: Box::new(writer), reader: Arc::new(reader) }, faults)
}
