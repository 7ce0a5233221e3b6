//! The keys of data subjects: they seal personal data, and are destroyed to forget a subject.
//!
//! Every subject has its own key, created when the first [`Personal`](crate::Personal) value of the
//! subject is written. The keys are in a file beside the store, each wrapped with a master key that the
//! user keeps. **Forgetting a subject destroys its key**: data sealed with it, in the log, in snapshots
//! and in every backup, can never be opened again.
//!
//! Read in this order: [`MasterKeys`] (the source of master keys), [`Keys`] (the open file),
//! `record` and `pages` (its bytes), `slot_reader` (its bytes while it is synced), `store` (the slots of subjects), [`with_sealer`](crate::with_sealer) (a store
//! that makes new keys durable before its commits) and `verify` (checks every key).

mod cache;
mod cipher;
mod header;
mod key_file;
mod master;
mod master_file;
mod medium;
mod open;
mod pages;
mod record;
mod sealing;
mod slot_reader;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod wrapping;

pub use key_file::{KeyFigures, Keys};
pub use master::{MasterKey, MasterKeyRing, MasterKeys};
pub use master_file::FileMasterKeys;
pub use store::Forgotten;
pub use verify::VerifiedKeys;

pub use crate::personal::{KeyError, MasterKeyError, MasterKeyId};
