//! A keyed view holds each event exactly once, whatever happens in between, and finds its rows by
//! every key.

#[path = "../common/mod.rs"]
mod common;

mod finding;
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
