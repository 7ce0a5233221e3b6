//! Actuarius: an embeddable, actor-based, in-memory aggregate runtime.
//!
//! Every aggregate instance is a supervised actor that holds its state in memory, makes its events
//! durable **before** it acknowledges a command, and leaves memory through a snapshot when idle.
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
//! Read the modules in the order a command walks through them: [`Aggregates`] (the caller's side),
//! `directory` and `slot` (the inbox that outlives every incarnation), `actor` and `turn` (decide),
//! `committer` (one writer, one sync for many) and `flight` (answers, in order, once durable).

mod aggregate;
mod aggregates;
mod base;
mod builder;
mod commit;
mod engine;
mod erasure;
mod follow;
mod health;
mod history;
mod inner;
mod operations;
mod projection;
mod request;
mod runtime;
mod saga;
mod schema;
mod subscription;

pub mod inspection;
pub mod testing;

pub use crate::aggregate::hosting::Hosting;
pub use crate::base::clock::{Clock, ManualClock, SystemClock};
pub use crate::base::error::{
    ExecuteError, Failure, Limit, Place, Quarantine, QuarantineReason, Unavailable, Written,
};
pub use crate::base::follower_status::{
    BoxError, FollowerHealth, FollowerKind, FollowerStatus, StartError, WaitError,
};
pub use crate::base::receipt::Receipt;
pub use crate::base::telemetry::METRICS;
pub use crate::erasure::forget::{ForgetError, Forgotten};
pub use crate::follow::followers::Retry;
pub use crate::follow::raw_event::RawEvent;
pub use crate::history::{Diff, FieldChange, History, HistoryStep, LogMoment, Moment, Past};
pub use crate::inner::ShutdownReport;
pub use crate::operations::archive::{ArchivePart, Archived, ArchivingError};
pub use crate::operations::backup::TakeBackup;
pub use crate::operations::deletion::{Deleted, Reuse};
pub use crate::operations::migration::{OtherState, Reencode, SameStates, same_states};
pub use crate::projection::rows::{
    Key, KeyBytes, KeyedProjection, KeyedRow, Listing, Rows, SecondaryKeys, SecondaryListing,
    TextKey, TupleKey, View, ViewReadError,
};
pub use crate::request::execute::{Execute, Executing};
pub use crate::request::query::{Query, Querying};
pub use crate::schema::decoding::Undecodable;
pub use actuarius_domain::{
    Aggregate, Answer, CausationId, CommandId, Context, Correlation, CorrelationId, Effect,
    Effects, Ending, Envelope, Event, EventId, Expected, Header, Id, InvalidId, MAX_ID_BYTES,
    MAX_TYPE_BYTES, Metadata, Outcome, Position, Projection, ReactsTo, ReadModel, Recast, STEPPED,
    Saga, Sending, Sends, StoredAs, StreamId, Timestamp, Upcasters, Version, When,
};
/// The storage seam, for those who bring their own store or look below the runtime.
pub use actuarius_persistence as persistence;
/// The keys of data subjects, and the master keys that wrap them.
pub use actuarius_persistence::keys;
pub use actuarius_persistence::{
    Codec, CodecError, Damage, OpenError, Personal, ReadError, StoreFailure,
};
pub use aggregates::Aggregates;
pub use builder::Builder;
pub use health::{Health, Status};
pub use projection::{
    AsOfError, Change, Database, EventBatch, InDatabase, InMemory, Keyed, Missed, PastRows,
    PastView, ProjectionBuilder, ProjectionHandle, ProjectionKind, Rebuild, RebuildError,
    StoredKind,
};
pub use runtime::Runtime;
pub use saga::{
    InstanceStatus, SagaBuilder, SagaCounts, SagaError, SagaInstance, SagaStep, Sagas, Schedule,
    Schedules, SchedulesBuilder, Stage,
};
pub use subscription::{
    Handler, OnPoison, Parked, ParkedError, ResetError, Start, Subscription, SubscriptionBuilder,
};
