//! The commit path: admission of requests, the committer with its thread, and the tail of the log.

pub(crate) mod admission;
pub(crate) mod committer;
pub(crate) mod tail;
pub(crate) mod waiting_snapshots;
