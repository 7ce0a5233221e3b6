//! A saga finishes what it began or undoes it, each step exactly once, whatever fails in between.

#[path = "../common/mod.rs"]
mod common;

mod bank;
mod compensating;
mod correlating;
mod crashing;
mod deadlines;
mod figures;
mod loads;
mod parking;
mod poison;
mod puppet;
mod till;
mod walking;
