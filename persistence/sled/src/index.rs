//! The per-stream index: in memory first, flushed in runs, compacted later.

mod compaction;
mod flush;
pub(crate) mod manifest;
pub(crate) mod memtable;
mod pace;
pub(crate) mod part;
pub(crate) mod runs;
pub(crate) mod upkeep;
