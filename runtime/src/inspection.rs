//! Inspection of a store that no runtime has open, for tools: reads subscriptions and sagas without starting
//! them, decodes events, deletes streams and identifies the store's keys.
//!
//! For a store that a runtime has open, use [`Subscription`](crate::subscription::Subscription) and [`Sagas`](crate::saga::Sagas),
//! which also know what is not durable yet.
//!
//! ```
//! use actuarius::inspection;
//! use actuarius::store::memory;
//!
//! let store = memory::open();
//! assert!(inspection::subscriptions(&*store.reader)?.is_empty());
//! # Ok::<(), actuarius::error::ReadError>(())
//! ```

use actuarius_domain::{Aggregate, Envelope, Id};
use actuarius_persistence::{CommitView, EventView, ReadError, Reader};

use crate::schema::decoding::{Decoder, Undecodable};
use crate::schema::recorded::StoreShapes;

pub use crate::engine::keyring::key_file;
pub use crate::operations::deletion::{Lag, NotDeleted, delete_closed as delete};
#[cfg(feature = "sagas")]
pub use crate::saga::inspecting::{SagaIndexes, saga_steps};
pub use crate::subscription::inspecting::{
    NotMarked, NotSkipped, StoredSubscription, parked, parked_of, retry_parked_at_start,
    skip_parked, subscriptions,
};

/// The shapes of event types that are recorded in a store. Events that a codec stores without names are read
/// only if their type has the recorded shape.
#[derive(Default)]
pub struct Shapes(StoreShapes);

impl Shapes {
    /// Reads the shapes that are recorded in a store. Damaged ones are reported in the log and left out.
    ///
    /// # Errors
    /// [`ReadError`] if they cannot be read at all.
    pub fn read(reader: &dyn Reader) -> Result<Self, ReadError> {
        StoreShapes::read(reader).map(Self)
    }
}

/// Decodes a stored event of an aggregate of the type `A`. The result is usually one event; upcasters may
/// return none or several, which share version and position. `shapes` are those of the event's store.
///
/// # Errors
/// [`Undecodable`]; the stored event is untouched. An event type with another shape than the recorded one is
/// not read, because its bytes could be misread.
///
/// # Panics
/// If an upcaster panics.
pub fn envelopes<A: Aggregate>(
    shapes: &Shapes,
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Vec<Envelope<A>>, Undecodable> {
    let id = Id::new(commit.id).expect("a stored id was valid when it was stored");
    let envelopes = Decoder::of(&shapes.0).envelopes(&id, commit, event)?;
    Ok(envelopes.into_iter().collect())
}
