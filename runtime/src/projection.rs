//! Projections: events folded into views that can be read without a request to aggregates.
//!
//! `builder` (settings before the start), `routes` (which events a view follows), `types` and `saved_views` (what a
//! view was made from), `target` (where events go: `memory`, `keyed`, `database`), `cursor` (a target with its
//! position), `host` (the loop that follows the log for one projection), `rebuild` (a new view that replaces the one
//! that is read), `as_of` (views of the past), `erase_closed_views` and `erasure_taint`
//! (forgotten subjects), `changes` (streams for readers) and `handle` (the methods of all projections).

mod as_of;
mod builder;
mod changes;
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

pub use crate::follow::deleted_aggregate::DeletedAggregate;
pub use crate::follow::followers::Retry;
pub use crate::follow::raw_event::RawEvent;

pub use as_of::{AsOfError, PastView};
pub use builder::{ProjectionBuilder, ProjectionKind, StoredKind};
pub use changes::Changes;
pub use database::{Database, EventBatch, InDatabase};
pub(crate) use erase_closed_views::{Swept, sweep};
pub use handle::ProjectionHandle;
pub use keyed::{Change, Keyed, Missed, PastRows};
pub use memory::InMemory;
pub(crate) use memory::ViewReader;
pub use rebuild::{Rebuild, RebuildError};
pub use rows::{
    Cursor, InvalidCursor, Key, KeyBytes, KeyedProjection, KeyedRow, Listing, RowPage, Rows,
    RowsView, SecondaryKeys, SecondaryListing, TextKey, TupleKey, View, ViewReadError,
};
