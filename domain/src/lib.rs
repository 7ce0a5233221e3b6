//! The pure domain types of Actuarius: aggregates, projections, sagas, and the values they exchange.
//!
//! This crate uses no clock, randomness, async or I/O. Times and ids are passed in as values, so every
//! decision can be tested without a thread or a sleep. Services depend on the crate `actuarius`, which
//! re-exports these types.
//!
//! Read in this order: [`Aggregate`] (decide, apply), [`Id`] (a typed name),
//! [`Version`] and [`Position`] (the place of an event in its stream and in the log), [`Metadata`]
//! (user, cause and correlation of a request), [`Envelope`] (an event with its header), [`Upcasters`]
//! (reading events of older releases), [`Projection`] (views built from events), [`Saga`] (workflows
//! across aggregates).

mod aggregate;
mod answer;
mod context;
mod correlation;
mod effects;
mod envelope;
mod id;
mod metadata;
mod projection;
mod reaction;
mod recast;
mod saga;
mod time;
mod upcasters;
mod version;

pub use aggregate::{Aggregate, Event};
pub use answer::{Answer, Outcome};
pub use context::Context;
pub use correlation::Correlation;
pub use effects::{Ending, Sending, When};
pub use envelope::{Envelope, Header, StoredAs};
pub use id::{Id, InvalidId, MAX_ID_BYTES, MAX_TYPE_BYTES, StreamId};
pub use metadata::{CausationId, CommandId, CorrelationId, EventId, Metadata};
pub use projection::{Projection, ReadModel};
pub use reaction::ReactsTo;
pub use recast::{Content, Recast, Recasted};
pub use saga::{Effect, Effects, STEPPED, Saga, Sends};
pub use time::Timestamp;
pub use upcasters::{Upcaster, Upcasters};
pub use version::{Expected, Position, Version};
