//! A database of the user's has each event exactly once, with the position it stands for, whatever
//! fails in between.

#[path = "../common/mod.rs"]
mod common;

mod following;
mod rebuilding;
mod sums;
