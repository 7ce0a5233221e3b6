//! One aggregate instance: its inbox, its actor, its turns, and how it is recovered and unloaded.
//!
//! A request goes through `directory`, `inbox`, `actor`, `turn` and `pending_append`, in this order.

pub(crate) mod activation;
pub(crate) mod actor;
mod command_ids;
pub(crate) mod dedup_window;
pub(crate) mod directory;
pub(crate) mod hosted_type;
pub(crate) mod hosting;
pub(crate) mod inbox;
pub(crate) mod incarnation;
pub(crate) mod optimistic;
pub(crate) mod pending_append;
pub(crate) mod recovery;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod residency;
pub(crate) mod saved_state;
pub(crate) mod timed_hosting;
pub(crate) mod timers;
pub(crate) mod turn;
