use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};

/// An event that was set aside, because it, or one before it with the same key, failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// What it is ordered by, see [`SubscriptionBuilder::ordered_by`](crate::SubscriptionBuilder::ordered_by).
    pub key: Arc<str>,
    /// The event.
    pub position: Position,
    /// Whose event it is.
    pub stream: StreamId,
    /// The name of its variant.
    pub event_type: Arc<str>,
    /// How often it has failed; 0 when it was never tried, because it waits for another.
    pub attempts: u32,
    /// What went wrong last, at most 500 bytes of it.
    pub error: Arc<str>,
    /// When it was parked, or an event of its key before it.
    pub parked_at: Timestamp,
    /// How many events of its key wait behind it. Of those that are not listed, only the ones that
    /// have come since the subscription was started are counted.
    pub behind: u64,
}

/// A parked event, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::subscription) struct Entry {
    pub(in crate::subscription) position: Position,
    /// The position of its commit.
    pub(in crate::subscription) commit: Position,
    pub(in crate::subscription) stream: StreamId,
    pub(in crate::subscription) event_type: Arc<str>,
    pub(in crate::subscription) attempts: u32,
    pub(in crate::subscription) error: Arc<str>,
    pub(in crate::subscription) parked_at: Timestamp,
}

impl Entry {
    pub(super) fn describe(&self, key: &Arc<str>, behind: u64) -> Parked {
        Parked {
            key: key.clone(),
            position: self.position,
            stream: self.stream.clone(),
            event_type: self.event_type.clone(),
            attempts: self.attempts,
            error: self.error.clone(),
            parked_at: self.parked_at,
            behind,
        }
    }
}
