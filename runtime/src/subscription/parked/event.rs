//! A parked event.

use std::ops::Deref;
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};

/// An event that was set aside because it, or an earlier one with the same key, failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// The key that orders it, see [`SubscriptionBuilder::ordered_by`](crate::subscription::SubscriptionBuilder::ordered_by).
    pub key: Arc<str>,
    /// The position of the event.
    pub position: Position,
    /// The stream of the event.
    pub stream: StreamId,
    /// The name of the event's variant.
    pub event_type: Arc<str>,
    /// How often the event has failed; 0 if it was never tried because it waits for another.
    pub attempts: u32,
    /// The last error, at most 500 bytes of it.
    pub error: Arc<str>,
    /// When the event, or an earlier one of its key, was parked.
    pub parked_at: Timestamp,
    /// How many events of its key wait behind it. Of those that are not listed, only the ones that
    /// were read since the subscription was started are counted.
    pub behind: u64,
}

/// The parked events of one key that are listed, in order. It dereferences to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedOfKey {
    /// The events.
    pub events: Vec<Parked>,
    /// Whether further events may be parked under the key. They are read from the log when it is their turn.
    pub more: bool,
}

impl Deref for ParkedOfKey {
    type Target = [Parked];

    fn deref(&self) -> &[Parked] {
        &self.events
    }
}

impl IntoIterator for ParkedOfKey {
    type Item = Parked;
    type IntoIter = std::vec::IntoIter<Parked>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

/// A parked event as it is kept in memory.
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
