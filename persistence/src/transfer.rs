//! Moving histories: backup, copy, export and migration.

pub mod backup;
pub(crate) mod batches;
pub mod copy;
pub mod export;
pub mod migrate;
pub(crate) mod progress;
