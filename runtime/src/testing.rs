//! Test kits that need no runtime, no store and no clock: [`given`] / when / then for decisions, [`view`] and
//! [`rows_of`] for projections, [`envelopes`] and [`twice`] for handlers of subscriptions, [`saga`] for
//! sagas, and [`fixtures`] for every event that was ever stored. [`divergence`] and [`view_divergence`] run
//! changed code over real history.
//!
//! For tests of a whole runtime, [`Runtime::in_memory`](crate::Runtime::in_memory) needs no disk, and
//! [`Runtime::caught_up`](crate::Runtime::caught_up) waits until every projection and subscription has
//! processed what was written.
//!
//! All functions panic when a check fails, and name the line of the test.

#[cfg(feature = "transfer")]
mod copying;
mod decisions;
mod divergence;
mod fail;
mod fixtures;
mod handlers;
mod history;
mod rows;
#[cfg(feature = "sagas")]
mod sagas;
mod views;

#[cfg(feature = "transfer")]
pub use copying::copy_of;
pub use decisions::{Given, Outcome, given};
pub use divergence::{Divergence, Divergences, ViewDivergences, divergence, view_divergence};
pub use fixtures::{Fixtures, fixtures};
pub use handlers::{Twice, envelopes, twice};
pub use rows::{RowsUnderTest, rows_of};
#[cfg(feature = "sagas")]
pub use sagas::{SagaUnderTest, saga};
pub use views::{ViewUnderTest, view};
