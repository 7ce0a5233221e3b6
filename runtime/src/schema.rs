//! Schemas of stored data: how events are decoded, and the shapes of states and rows.

pub(crate) mod decoding;
pub(crate) mod shape;
