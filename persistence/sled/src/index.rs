//! The per-stream index: in memory first, flushed in runs, compacted later.

pub(crate) mod compaction;
pub(crate) mod flush;
pub(crate) mod manifest;
pub(crate) mod memtable;
pub(crate) mod part;
pub(crate) mod runs;
pub(crate) mod upkeep;
