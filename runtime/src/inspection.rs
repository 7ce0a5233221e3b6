//! What a store has that no runtime has open: subscriptions and sagas, looked at without
//! starting them, events as their type reads them, streams to be deleted, and which keys it has. For tools.
//!
//! A store that is open in a runtime shows these through [`Subscription`](crate::Subscription) and
//! [`Sagas`](crate::Sagas), where also what is not durable yet is known.
//!
//! ```
//! use actuarius::inspection;
//! use actuarius::persistence::memory;
//!
//! let store = memory::open();
//! assert!(inspection::subscriptions(&*store.reader)?.is_empty());
//! # Ok::<(), actuarius::ReadError>(())
//! ```

use actuarius_domain::{Aggregate, Envelope, Id};
use actuarius_persistence::{CommitView, EventView};

use crate::schema::decoding::{self, Undecodable};

pub use crate::engine::keyring::key_file;
pub use crate::operations::deletion::{NotDeleted, delete_closed as delete};
pub use crate::saga::{SagaIndexes, saga_steps};
pub use crate::subscription::{
    NotSkipped, StoredSubscription, parked, parked_of, skip_parked, subscriptions,
};

/// What a stored event of an aggregate of the type `A` is today: itself mostly, or none or several when
/// upcasters say so. They share version and position.
///
/// # Errors
/// [`Undecodable`]; the stored event is untouched.
///
/// # Panics
/// When an upcaster does.
pub fn envelopes<A: Aggregate>(
    commit: &CommitView<'_>,
    event: &EventView<'_>,
) -> Result<Vec<Envelope<A>>, Undecodable> {
    let id = Id::new(commit.id).expect("names that were stored were valid when they were");
    let envelopes = decoding::envelopes(&id, commit, event)?;
    Ok(envelopes.into_iter().collect())
}
