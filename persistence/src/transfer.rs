//! Transfers of whole histories: backup, copy, export and migration.

#[cfg(feature = "archive")]
pub mod backup;
pub(crate) mod batches;
#[cfg(feature = "transfer")]
pub mod copy;
#[cfg(feature = "transfer")]
pub mod export;
#[cfg(feature = "transfer")]
mod key_file;
#[cfg(feature = "transfer")]
pub mod migrate;
pub(crate) mod progress;
