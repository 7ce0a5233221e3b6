//! Projections: events folded into views that can be asked without asking aggregates.
//!
//! `routes` (which events concern a view), `types` (which it was made from), `target` (where they go: `memory`, `keyed`, `database`),
//! `cursor` (a place in the log), `host` (the loop that follows the log for one projection), `rebuild` (a second view beside the one
//! that is read), `building` (how far that is), `as_of` (a view of the
//! past) and `handle` (what all projections can be asked for).

mod as_of;
mod builder;
mod building;
mod cursor;
mod database;
mod erase_closed_views;
mod erasure_taint;
mod handle;
mod host;
mod keyed;
mod memory;
mod rebuild;
mod routes;
pub(crate) mod rows;
mod saved;
mod saved_views;
mod target;
mod types;

pub use actuarius_domain::{Projection, ReadModel};

pub use crate::follow::followers::Retry;
pub use crate::follow::raw_event::RawEvent;

pub use as_of::{AsOfError, PastView};
pub use builder::{ProjectionBuilder, ProjectionKind, StoredKind};
pub use database::{Database, EventBatch, InDatabase};
pub(crate) use erase_closed_views::{Swept, sweep};
pub use handle::ProjectionHandle;
pub use keyed::{Change, Keyed, Missed, PastRows};
pub use memory::InMemory;
pub(crate) use memory::ViewReader;
pub use rebuild::{Rebuild, RebuildError};
pub use rows::{
    Key, KeyBytes, KeyedProjection, KeyedRow, Listing, Rows, RowsView, SecondaryKeys,
    SecondaryListing, TextKey, TupleKey, View, ViewReadError,
};
