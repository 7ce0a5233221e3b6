//! What every part of the runtime uses: errors, statuses, telemetry, clocks, panics and receipts.

pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod follower_status;
pub(crate) mod keep_alive;
pub(crate) mod panics;
pub(crate) mod receipt;
pub(crate) mod stored_commit;
pub(crate) mod telemetry;
pub(crate) mod undecodable;
