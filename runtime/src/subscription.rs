//! Subscriptions: every event of some types is handled at least once, in the order of its key, under a
//! name with a durable checkpoint.
//!
//! - for users: `builder`, `options`, `handler`, `handle`, `retrying_many`, `error`, and `inspecting` (without a
//!   runtime);
//! - pure: `routes` (which handler takes an event), `route` (its keys), `lanes` (which event is next), `failures`
//!   (what failed, and when it is retried), `parked` (events set aside), `checkpoint`, `retries`, `requests`;
//! - at work: `opening` (what is durable), `dispatcher` (the loop) on `state`; `reading` fills the lanes,
//!   `handling` and `attempts` run handlers, `retrying` and `parked_overflow` handle parked events,
//!   `resetting` moves to another place, `erasing` drops what was decoded before a data subject was forgotten, `checkpointing` and `writing` make progress durable.
//! - `carrying` writes the checkpoints of a store that is migrated.

mod attempts;
mod builder;
#[cfg(all(feature = "sagas", feature = "transfer"))]
pub(crate) mod carrying;
mod checkpoint;
mod checkpointing;
mod dispatcher;
mod ending;
mod erasing;
mod error;
mod failures;
mod handle;
mod handler;
mod handling;
pub(crate) mod inspecting;
mod lagging;
mod lanes;
mod opening;
mod options;
mod parked;
mod parked_overflow;
mod reading;
mod requests;
mod resetting;
mod retries;
mod retrying;
mod retrying_many;
mod route;
mod routes;
mod state;
mod writing;

pub use crate::follow::deleted_aggregate::DeletedAggregate;
pub use crate::follow::followers::Retry;
pub use crate::follow::raw_event::RawEvent;

pub use builder::SubscriptionBuilder;
pub use error::{ParkedError, ResetError};
pub use handle::Subscription;
pub use handler::Handler;
pub(crate) use handler::{Handling, NotNow, Outdated, Routed};
pub(crate) use lagging::lagging;
pub use options::{OnPoison, Start, Widening};
pub use parked::{Parked, ParkedOfKey};
pub use retrying_many::RetriedKey;
pub(crate) use route::Route;
