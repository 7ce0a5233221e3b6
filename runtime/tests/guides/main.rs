//! The guides show code that compiles and runs: each block of theirs names the file and the region
//! here that it is equal to, which `reading` checks.

mod account;
mod balances;
mod database;
mod holdings;
#[allow(unused_must_use)] // a checked view may be dropped
mod kit;
mod letters;
mod parked;
mod reading;
mod rebuilding;
mod shown;
