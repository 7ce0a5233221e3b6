//! Benchmarks of Actuarius, beside a plain append-only log in the same run.
//!
//! The speed of a machine's disk and processor drifts, and so does its other load, so a single figure says little
//! about a library. The same clients therefore also drive the simplest durable store ([`plain_log`]), in turns with
//! the runtime, and the ratio of the two is the figure that counts.
//!
//! Read [`clients`] (the load, and what is timed), [`subject`] and [`plain_log`] (the two sides), [`rounds`] (how they
//! take turns), then [`scenarios`].

pub mod children;
pub mod clients;
pub mod compare;
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

/// Any error, as a text for the user of the bench.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;
