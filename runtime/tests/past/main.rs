//! What was: states of the past, histories, differences, and the rule of time they rest on.

#[path = "../common/mod.rs"]
mod common;
mod retention;
mod scene;
mod time;
