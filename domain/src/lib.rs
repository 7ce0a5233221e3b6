//! The pure heart of Actuarius: what an aggregate is, and the words for everything around it.
//!
//! Nothing here knows a clock, randomness, async or I/O. Time and ids come in as values, so every
//! decision can be tested without a thread or a sleep.
//!
//! Read in this order: [`Aggregate`] (decide, apply), [`Id`] (a name that knows its type),
//! [`Version`] and [`Position`] (where a fact stands), [`Metadata`] (who asked, and why),
//! [`Envelope`] (a fact with its header), [`Upcasters`] (what older releases wrote, read today),
//! [`Projection`] (what a view makes of facts), [`Saga`] (what is to follow from them elsewhere).

mod aggregate;
mod answer;
mod context;
mod correlation;
mod effects;
mod envelope;
mod id;
mod metadata;
mod projection;
mod recast;
mod saga;
mod time;
mod upcasters;
mod version;

pub use aggregate::{Aggregate, Event};
pub use answer::{Answer, Outcome};
pub use context::Context;
pub use correlation::Correlation;
pub use effects::{Effect, Effects, Ending, Sending, When};
pub use envelope::{Envelope, Header, StoredAs};
pub use id::{Id, InvalidId, MAX_ID_BYTES, MAX_TYPE_BYTES, StreamId};
pub use metadata::{CausationId, CommandId, CorrelationId, EventId, Metadata};
pub use projection::{Projection, ReadModel};
pub use recast::{Content, Recast, Recasted};
pub use saga::{ReactsTo, STEPPED, Saga, Sends};
pub use time::Timestamp;
pub use upcasters::{Upcaster, Upcasters};
pub use version::{Expected, Position, Version};
