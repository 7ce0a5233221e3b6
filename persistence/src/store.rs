//! The seam between the runtime and a store: `Store`, and everything that works on any store.
//!
//! `writer` and `reader` are the seam itself. `memory` is the reference store, `keyed` adds the keys
//! of data subjects to a store, and `verify` with `verify_log` checks the content of a store. `at_time` finds
//! the position that a time means.

mod at_time;
pub(crate) mod keyed;
pub mod memory;
mod reader;
pub(crate) mod recorded_shape;
pub mod verify;
pub(crate) mod verify_log;
mod writer;

use std::sync::Arc;

pub use at_time::{AmbiguousTime, CommitTime, TimePolicy, TimeSearch};
pub use keyed::{with_own_sealer, with_sealer};
pub use reader::{Maintenance, Page, PageLimit, Reader, StoreInfo};
pub use verify_log::verify_log;
pub use writer::{AppendOutcome, Batch, Writer};

/// An open store: its only writer, and a shared reader.
pub struct Store {
    /// The only writer of the store. It cannot be cloned.
    pub writer: Box<dyn Writer>,
    /// Reads durable data.
    pub reader: Arc<dyn Reader>,
}
