//! Schemas of stored data: decodes events into today's types, and fingerprints the shapes of states and rows.

pub(crate) mod decoding;
pub(crate) mod shape;
