//! The log: commits packed into chunks, written by one writer, read through a cache.

pub(crate) mod cache;
pub(crate) mod chunk;
pub(crate) mod packing;
pub(crate) mod reader;
pub(crate) mod recover;
pub(crate) mod removing;
pub(crate) mod shared;
pub(crate) mod writer;
