//! Interrupts writers, followers and sagas at random moments, and fills their disk: acknowledged promises must be kept.

mod common;
mod follow;
mod full_disk;
mod kill;
mod transfers;
