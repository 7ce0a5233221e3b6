//! A keyed view holds each event exactly once, whatever happens in between, and finds its rows by
//! every key.

#[path = "../common/mod.rs"]
mod common;

mod storing;
mod views;
