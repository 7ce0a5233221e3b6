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
use actuarius_persistence::{CommitView, EventView};

use crate::schema::decoding::{self, Undecodable};

pub use crate::engine::keyring::key_file;
pub use crate::operations::deletion::{NotDeleted, delete_closed as delete};
#[cfg(feature = "sagas")]
pub use crate::saga::inspecting::{SagaIndexes, saga_steps};
pub use crate::subscription::inspecting::{
    NotSkipped, StoredSubscription, parked, parked_of, skip_parked, subscriptions,
};

/// Decodes a stored event of an aggregate of the type `A`. The result is usually one event; upcasters may
/// return none or several, which share version and position.
///
/// # Errors
/// [`Undecodable`]; the stored event is untouched.
///
/// # Panics
/// If an upcaster panics.
pub fn envelopes<A: Aggregate>(
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Vec<Envelope<A>>, Undecodable> {
    let id = Id::new(commit.id).expect("a stored id was valid when it was stored");
    let envelopes = decoding::envelopes(&id, commit, event)?;
    Ok(envelopes.into_iter().collect())
}
