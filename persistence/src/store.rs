//! The seam between the runtime and a store: `Store`, and everything that works on any store.
//!
//! `writer` and `reader` are the seam itself. `memory` is the reference store, `keyed` adds the keys
//! of data subjects to a store, and `verify` with `verify_log` checks what a store holds.

pub(crate) mod keyed;
pub mod memory;
mod reader;
pub mod verify;
pub(crate) mod verify_log;
mod writer;

use std::sync::Arc;

pub use keyed::{guard, guard_with_its_own};
pub use reader::{Maintenance, Page, PageLimit, Reader, StoreInfo};
pub use verify_log::verify_log;
pub use writer::{AppendOutcome, Batch, Writer};

/// An open store: its one writer, and the reader everyone shares.
pub struct Store {
    /// The only way to write. There is one, and it cannot be cloned.
    pub writer: Box<dyn Writer>,
    /// Reads what is durable.
    pub reader: Arc<dyn Reader>,
}
