//! What callers receive when something ends before the call: the tokio runtime, a handle, the store, the process.

mod answer;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod crowded;
mod guards;
mod matrix;
mod moving;
mod paused;
mod reopening;
mod scene;
mod waits;
