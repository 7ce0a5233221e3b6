//! The log: commits packed into chunks, written by one writer and read through a cache.

mod backlog;
mod cache;
pub(crate) mod chunk;
mod gate;
mod keeping;
mod packing;
pub(crate) mod reader;
pub(crate) mod recover;
mod removing;
pub(crate) mod salvage;
pub(crate) mod shared;
mod verify;
pub(crate) mod writer;
