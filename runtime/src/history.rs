//! Reads of the past: the state of an aggregate at any moment, its history event by event, and the differences
//! between two moments.
//!
//! `moment` (what can be requested, and which version it means), `walk` (replays a state page by page), `steps`
//! (the same, event by event), `diff` (two moments), `fields` (differences between two values), `log` (the
//! whole log up to a moment, and the position of a time), `search` (events by type, time and correlation) and `ids` (of the
//! aggregates of a type). Nothing here loads an aggregate, and at most one page of events is held at a time.

#[cfg(feature = "json")]
mod diff;
#[cfg(feature = "json")]
mod fields;
mod ids;
mod log;
mod moment;
mod search;
mod steps;
mod walk;

#[cfg(feature = "json")]
pub use diff::Diff;
#[cfg(feature = "json")]
pub use fields::FieldChange;
#[cfg(feature = "testing")]
pub(crate) use fields::{as_value, changes};

pub use actuarius_persistence::{AmbiguousTime, CommitTime, TimePolicy};
pub use ids::{FoundIds, IdListing};
pub use log::PositionAtError;
pub(crate) use log::{fold_log, position_at, position_at_with};
pub use moment::{LogMoment, Moment};
pub use search::{FoundEvent, FoundEvents, LogSearch};
pub use steps::{History, HistoryStep};
pub use walk::Past;
pub(crate) use walk::as_of;
