//! The index of each stream's commits: in memory first, then flushed to sorted runs, then compacted.

mod compaction;
mod flush;
pub(crate) mod manifest;
pub(crate) mod memtable;
mod pace;
pub(crate) mod part;
pub(crate) mod runs;
pub(crate) mod upkeep;
