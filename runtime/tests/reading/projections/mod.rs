//! A view in memory shows every event once, in order, whatever happens in between.

mod ending;
mod failing;
mod following;
mod log;
mod poison;
mod portions;
mod rebuilding;
mod saving;
mod told;
mod versions;
mod views;
