//! What every part of the runtime uses: errors, statuses, telemetry, clocks, panics, receipts and the tokio runtime.

pub(crate) mod clock;
pub(crate) mod clock_watch;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod follower_status;
pub(crate) mod guarded_clock;
pub(crate) mod home_runtime;
pub(crate) mod keep_alive;
pub(crate) mod panics;
pub(crate) mod receipt;
pub(crate) mod schema_error;
pub(crate) mod stored_commit;
// Labels are named all the same in a build that records nothing.
#[cfg_attr(not(feature = "metrics"), allow(dead_code, unused_variables))]
pub(crate) mod telemetry;
pub(crate) mod timer;
pub(crate) mod undecodable;
