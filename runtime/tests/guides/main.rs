//! The code that the book shows: each of its blocks names a file and a region here, and `reading` checks
//! that the two are equal.

mod account;
mod backing_up;
mod balances;
mod database;
mod evolving;
mod holdings;
mod idle;
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
mod starting;
