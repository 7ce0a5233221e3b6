//! The guides show code that compiles and runs: each block of theirs names the file and the region
//! here that it is equal to, which `reading` checks.

mod account;
mod backing_up;
mod balances;
mod database;
mod evolving;
mod holdings;
#[allow(unused_must_use)] // a checked view may be dropped
mod kit;
mod later;
mod letters;
mod order;
mod parked;
mod past;
mod personal;
mod purchase;
mod purchases;
mod reading;
mod rebuilding;
#[allow(unused_must_use)] // a checked saga may be dropped
mod rehearsing;
mod retiring;
mod shown;
