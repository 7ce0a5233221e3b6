//! Sagas finish or compensate what they began, each step exactly once, through failures, crashes
//! and load.

#[path = "../common/mod.rs"]
mod common;

mod bank;
mod causes;
mod compensating;
mod correlating;
mod crashing;
mod deadlines;
mod deleting;
mod figures;
mod health;
mod hopeless;
mod idle;
mod loads;
mod parking;
mod poison;
mod puppet;
mod rehearsed;
mod reusing;
mod rewriting;
mod schedules;
mod starting;
mod till;
mod travelling;
mod walking;
