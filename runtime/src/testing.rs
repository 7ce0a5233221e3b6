//! Tests without a runtime, a store or a clock: [`given`] / when / then for decisions, [`view`] and
//! [`rows_of`] for projections, [`envelopes`] and [`twice`] for handlers of subscriptions, [`saga`] for
//! sagas, [`fixtures`] for the events that were ever stored. [`divergence`] and [`view_divergence`] run changed code over real history.
//!
//! Where a whole runtime is wanted, [`Runtime::in_memory`](crate::Runtime::in_memory) needs no disk, and
//! [`Runtime::caught_up`](crate::Runtime::caught_up) waits until every projection and subscription has
//! seen what was written.
//!
//! All functions panic when a check fails, and name the line of the test.

mod copying;
mod decisions;
mod divergence;
mod fixtures;
mod handlers;
mod history;
mod rows;
mod sagas;
mod views;

pub use copying::copy_of;
pub use decisions::{Given, Outcome, given};
pub use divergence::{Divergence, Divergences, ViewDivergences, divergence, view_divergence};
pub use fixtures::{Fixtures, fixtures};
pub use handlers::{Twice, envelopes, twice};
pub use rows::{RowsUnderTest, rows_of};
pub use sagas::{SagaUnderTest, saga};
pub use views::{ViewUnderTest, view};

use std::panic::Location;

#[track_caller]
fn fail(what: &str) -> ! {
    panic!("{what}\n  in the test at {}", Location::caller())
}
