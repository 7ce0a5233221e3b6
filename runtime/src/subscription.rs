//! Subscriptions: every event of some types is handed to a handler at least once, in the order of
//! its key, under a name that remembers how far it has come.
//!
//! `builder` (what is asked for) and `handler`, `routes`, `recorded` (who handles which event, in
//! which order); `opening` and `checkpoint` (what is durable of it), `dispatcher` (the loop its actor
//! runs) with `reading` (from the log into the lanes), `lanes` (which event is next), `handling` and
//! `attempts` (handlers at work), `failures` (events that failed), `parked` (events set aside),
//! `retrying` and `rest` (handling those after all), `writing` (what is finished becomes durable) and
//! `requests` (what it is asked for); `handle` is what the user holds, `inspecting` what is seen of it when
//! it is not started.

mod attempts;
mod builder;
mod checkpoint;
mod checkpointing;
mod dispatcher;
mod error;
mod failures;
mod handle;
mod handler;
mod handling;
mod inspecting;
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
mod routes;
mod state;
mod writing;

pub use builder::SubscriptionBuilder;
pub use error::{ParkedError, ResetError};
pub use handle::Subscription;
pub use handler::Handler;
pub(crate) use handler::{NotNow, Routed};
pub use inspecting::{
    NotSkipped, StoredSubscription, parked, parked_of, skip_parked, subscriptions,
};
pub use options::{OnPoison, Start};
pub use parked::Parked;
