//! A subscription hands every event to its handlers at least once, in the order of its key, whatever
//! fails in between.

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
mod scene;
mod skipping;
mod starting;
mod stores;
mod troubles;
