//! How an aggregate comes back: from its newest good snapshot and the events behind it, never from
//! a guess.

#[path = "../common/mod.rs"]
mod common;
mod quarantine;
mod snapshots;
mod tally;
