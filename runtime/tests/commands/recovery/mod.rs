//! Recovery of an aggregate: from its newest valid snapshot and the events after it, or a
//! quarantine.

mod deleting;
mod quarantine;
mod snapshots;
mod tally;
mod waiting;
