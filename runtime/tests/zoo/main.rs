//! A zoo of serde shapes: each value is refused before anything is written, or is the same after a restart.
//!
//! Every shape is stored with each codec as an event, a state, the state of a saga, a command of a saga, the name
//! of a deadline, a row and a view in memory. There is no third outcome: no quarantine, no halt of a reader, no
//! other value, no wait without an end and no event that is skipped.
#![allow(dead_code, missing_docs, unreachable_pub)] // some fields are read by serde only

mod holder;
mod keeper;
mod living;
mod random;
mod shape;
mod shapes;
mod stories;
mod tale;
mod world;
