//! Views in memory have every event once, in order, through failures, rebuilds and restarts.

mod batches;
mod ending;
mod failing;
mod following;
pub(crate) mod log;
mod poison;
mod portions;
mod rebuilding;
mod saving;
mod scripted;
mod versions;
mod views;
