//! What Actuarius can do, measured beside a plain append-only log in the same run.
//!
//! A machine's disk and clock drift, and so does whatever else runs on it; a figure alone says
//! little about a library. So the same clients also drive the simplest durable thing there is
//! ([`plain_log`]), in turns with the runtime, and the ratio of the two is the figure that counts.
//!
//! Read [`clients`] (who sends, and what is timed), [`subject`] and [`plain_log`] (who answers),
//! [`rounds`] (how the two take turns), then [`scenarios`].

pub mod children;
pub mod clients;
pub mod distribution;
pub mod latency;
pub mod machine;
pub mod options;
pub mod plain_log;
pub mod report;
pub mod rounds;
pub mod row;
pub mod scenarios;
pub mod subject;
pub mod svg;
pub mod syncs;
pub mod table;
pub mod workload;

/// Whatever went wrong, as a text for the person who runs the bench.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;
