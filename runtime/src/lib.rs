//! An embeddable, actor-based runtime for event-sourced aggregates, in memory and durable.
//!
//! Every aggregate instance is a supervised actor that holds its state in memory. A command is
//! acknowledged only **after** its events would survive a power cut. An idle aggregate is unloaded
//! through a snapshot, and loaded again by its next command. Views, subscriptions and sagas follow
//! the log. Everything lives in one directory of your service; there is no server to run.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use actuarius::{Aggregate, Context, Runtime};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Counter(i64);
//!
//! #[derive(Serialize, Deserialize)]
//! enum Counted {
//!     Added(i64),
//! }
//!
//! impl Aggregate for Counter {
//!     const TYPE: &'static str = "counter";
//!     type Command = i64;
//!     type Event = Counted;
//!     type Error = Infallible;
//!
//!     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
//!         Ok(vec![Counted::Added(amount)])
//!     }
//!
//!     fn apply(&mut self, Counted::Added(amount): &Counted) {
//!         self.0 += amount;
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let runtime = Runtime::open(directory.path()).await?;
//! let counters = runtime.host::<Counter>();
//!
//! let receipt = counters.execute("visits", 1).await?; // durable now
//! let visits = counters.query("visits", |counter| counter.0).await?;
//! # assert_eq!((receipt.version.get(), visits), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Where to start
//!
//! | I want to | use |
//! |---|---|
//! | decide commands and keep state | [`Aggregate`], [`Runtime::host`] |
//! | send a command, once, with a timeout | [`Aggregates::execute`], [`request`] |
//! | read one aggregate | [`Aggregates::query`] |
//! | read many at once: lists, sums, searches | [`projection`] |
//! | act on events: send, notify, call | [`subscription`] |
//! | remind an aggregate of itself after some time | [`timers`] |
//! | coordinate several aggregates, or work over time | [`saga`] |
//! | read the past, compare two moments | [`history`] |
//! | change events, states and views of a running system | [`schema`] |
//! | erase personal data | [`Personal`], [`erasure`] |
//! | back up, archive, delete, migrate | [`operations`] |
//! | monitor the runtime | [`health`] |
//! | handle errors | [`error`], [`Failure`] |
//! | test with given, when, then | [`testing`] |
//! | bring another store, or look below the runtime | [`store`] |
//!
//! [`prelude`] has what most files of a service need.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sled` | yes | the durable store, [`Runtime::open`] |
//! | `messagepack` | yes | the default codec of events |
//! | `bincode` | yes | the default codec of snapshots and views |
//! | `json` | yes | the readable codec |
//! | `metrics` | yes | figures through the [`metrics`](https://docs.rs/metrics) facade |
//! | `sagas` | | [`saga`]; implies `messagepack` |
//! | `archive` | | backups and the archive, compressed with zstd |
//! | `erasure` | | [`Personal`] data and its keys; implies `messagepack` |
//! | `transfer` | | export, import, copies and migrations; implies `json` |
//! | `testing` | | test kits, the fault store and the contract suite; implies `json` |
//! | `full` | | all of them |
//!
//! # How it is tested
//!
//! Tests cut the power at every write, kill the process under load, flip bits and make I/O fail. Every store
//! must pass a contract suite; aggregates are compared with a model. The repository's `docs/TESTING.md`
//! explains how to repeat each of these tests, and its book how to use the library.

// Parts of the core serve features that a build may be without.
#![cfg_attr(
    not(all(feature = "archive", feature = "erasure", feature = "sagas", feature = "transfer")),
    allow(dead_code, unused_imports)
)]

mod aggregate;
mod aggregates;
mod base;
mod builder;
mod commit;
mod engine;
mod follow;
mod inner;
mod runtime;

pub mod clock;
#[cfg(feature = "erasure")]
pub mod erasure;
pub mod error;
pub mod health;
pub mod history;
pub mod inspection;
pub mod operations;
pub mod prelude;
pub mod projection;
pub mod request;
#[cfg(feature = "sagas")]
pub mod saga;
pub mod schema;
pub mod store;
pub mod subscription;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timers;

pub use crate::aggregate::hosting::Hosting;
pub use crate::base::receipt::Receipt;
pub use crate::inner::ShutdownReport;
pub use actuarius_domain::{
    Aggregate, CausationId, CommandId, Context, CorrelationId, Envelope, Event, EventId, Expected,
    Header, Id, Metadata, Position, StreamId, Timestamp, Version,
};
#[cfg(feature = "erasure")]
pub use actuarius_persistence::Personal;
pub use actuarius_persistence::{Codec, OpenError};
pub use aggregates::Aggregates;
pub use builder::RuntimeBuilder;
pub use clock::Clock;
pub use error::{ExecuteError, Failure};
pub use health::Health;
pub use runtime::Runtime;
