//! Runs commands end to end: what receipts promise, and what failures, overload, cancellation,
//! shutdown, crashes, backup, migration and deletion do to them.

mod answered;
mod archive;
mod backup;
mod cancellation;
mod codecs;
#[path = "../common/mod.rs"]
mod common;
mod deletion;
mod execute;
mod fail_stop;
mod failing_actors;
mod idempotency;
mod migration;
mod model;
mod neighbours;
mod ordering;
mod overload;
mod pairs;
mod passivation;
mod poisoned;
mod recovery;
mod send;
mod shutdown;
mod telemetry;
mod timers;
