//! A view in memory shows every event once, in order, whatever happens in between.

#[path = "../common/mod.rs"]
mod common;

mod following;
mod poison;
mod rebuilding;
mod saving;
mod views;
