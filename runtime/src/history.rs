//! What was: the state of an aggregate at any moment, its history step by step, and what has changed
//! between two moments.
//!
//! `moment` (what can be asked for, and which version it means), `walk` (a state on its way through its
//! events, page by page), `history` (the same walk, event by event), `diff` (two moments), `fields` (what is different
//! between two values) and `log` (the whole log up to a moment). Nothing here brings an aggregate into memory, and no more
//! than a page of events is held at a time.

mod diff;
mod fields;
mod log;
mod moment;
mod steps;
mod walk;

pub use diff::Diff;
pub use fields::FieldChange;
pub(crate) use fields::{as_value, changes};

pub(crate) use log::fold_log;
pub use moment::{LogMoment, Moment};
pub use steps::{History, HistoryStep};
pub use walk::Past;
pub(crate) use walk::as_of;
