//! How an aggregate comes back: from its newest good snapshot and the events behind it, never from
//! a guess.

mod quarantine;
mod snapshots;
mod tally;
