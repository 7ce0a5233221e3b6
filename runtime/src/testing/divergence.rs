//! Compares two releases of an aggregate or a projection on the same history.

mod aggregates;
mod pair;
mod views;

pub use aggregates::{Divergences, divergence};
pub use pair::Divergence;
pub use views::{ViewDivergences, view_divergence};
