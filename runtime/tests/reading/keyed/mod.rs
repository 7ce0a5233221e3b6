//! A keyed view holds each event exactly once, whatever happens in between, and finds its rows by
//! every key.

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
