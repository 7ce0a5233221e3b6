//! Records: the events of one command as bytes, the unit that is stored completely or not at all.
//!
//! `docs/FORMAT.md` describes the bytes. A frame is `length u32 | checksum u32 | body`; the checksum is
//! CRC-32C (Castagnoli) of the body. Positions are not in the body: the store derives them.

mod append;
pub mod chain;
pub(crate) mod codec;
mod commit;
mod deletion;
mod encoded;
mod event;
mod frame;
mod gone;
pub(crate) mod lineage;
mod link;
pub(crate) mod note;
mod removal;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
mod upcasting;

pub use append::{Append, NewCommit};
pub use commit::{Commit, CommitView};
pub use deletion::Deletion;
pub use encoded::EncodedEvent;
pub use event::EventView;
pub use gone::Gone;
pub use removal::Removal;
pub use removal::frame as stub_frame;
pub use upcasting::Part;

/// The largest commit (all events of one command, with their header) that a store accepts: 16 MiB.
///
/// A commit is held in memory by the actor, the committer and the store at once. The bound keeps
/// one command from exhausting the memory of the process.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

const NAMED_BY_CALLER: u8 = 1;
const HAS_CORRELATION: u8 = 2;
const HAS_CAUSATION: u8 = 4;
const HAS_USER: u8 = 8;
const HAS_ENTRIES: u8 = 16;
/// The events are not in the log. Such a commit has no other flag.
const STUB: u8 = 32;
const FLAGS: u8 = NAMED_BY_CALLER | HAS_CORRELATION | HAS_CAUSATION | HAS_USER | HAS_ENTRIES | STUB;

/// The size of the head of a frame in bytes: its length and its checksum. For engines.
pub const FRAME_HEAD: usize = 8;
