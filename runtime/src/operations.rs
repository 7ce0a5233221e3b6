//! Operations on a running store: backup, archive, deletion and migration.

pub(crate) mod archive;
pub(crate) mod backup;
pub(crate) mod deletion;
pub(crate) mod migration;
