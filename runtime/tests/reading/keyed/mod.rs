//! Keyed views count each event exactly once, through failures and restarts, and find their rows by
//! every key.

mod cursors;
mod finding;
mod full;
mod kit;
mod long;
mod model;
mod moving;
mod poison;
mod rebuilding;
mod storing;
mod types;
mod versions;
mod views;
