//! Schemas of stored data: decodes events into today's types, and fingerprints the shapes of states and rows.

pub(crate) mod decoding;
pub(crate) mod shape;

pub use actuarius_domain::{MAX_ID_BYTES, MAX_TYPE_BYTES, Recast, StoredAs, Upcasters};
