//! Projections into a database of the user: each event counts exactly once, and the position is
//! stored with the rows.

mod batches;
mod following;
mod rebuilding;
mod sums;
mod widened;
