//! Followers of the log: what projections, subscriptions and sagas share.

pub(crate) mod at_work;
pub(crate) mod building;
pub(crate) mod deleted_aggregate;
pub(crate) mod follower;
pub(crate) mod followers;
pub(crate) mod handle;
pub(crate) mod pacing;
pub(crate) mod progress;
pub(crate) mod raw_event;
pub(crate) mod scope;
pub(crate) mod until_stopped;
