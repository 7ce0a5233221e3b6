//! A database of the user's has each event exactly once, with the position it stands for, whatever
//! fails in between.

mod following;
mod rebuilding;
mod sums;
