//! Schemas of stored data: decodes events into today's types, and compares shapes and names with what is stored.

pub(crate) mod decoding;
pub(crate) mod names;
pub(crate) mod recorded;
pub(crate) mod recording;
pub(crate) mod shape;

pub use actuarius_domain::{MAX_ID_BYTES, MAX_TYPE_BYTES, Recast, StoredAs, Upcasters};
