//! Everything that needs no engine on disk: the contract and its own tests, the store in memory,
//! fault injection, segments, personal values, copies, exports and migrations.

mod codecs;
#[path = "../common/mod.rs"]
mod common;
mod contract;
mod copying;
mod exporting;
mod fault;
mod guarded;
mod memory;
mod migrating;
mod personal;
mod segments;
mod shapes;
mod verify;
