//! Subscriptions deliver every event to their handlers at least once, in the order of its key,
//! through failures and crashes.

mod control;
mod cut_short;
mod figures;
mod following;
mod halting;
mod hot_keys;
mod lives;
mod ordering;
mod parking;
mod repeating;
mod retrying;
pub(crate) mod scene;
mod skipping;
mod starting;
mod stores;
mod troubles;
