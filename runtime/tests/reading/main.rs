//! Everything that reads events: projections, subscriptions, past states, upcasting and erasure.

#[path = "../common/mod.rs"]
mod common;
mod database;
mod deleting;
mod ending;
mod erasure;
mod evolution;
mod health;
mod history;
mod keyed;
mod kit;
mod patience;
mod projections;
mod read_your_writes;
mod streams;
mod subscription;
mod untimed;
