//! Deletions: the event that ends a stream. It is an event of this library, not of a user's type.

use smallvec::SmallVec;

use super::append::{Append, NewCommit};
use super::codec::CodecError;
use super::event::EventView;
use crate::wire::{put_text, put_varint};

/// Replaces the codec of other events: the event is not one of a user's type.
const NO_CODEC: u8 = 0;
const NAME: &str = "$deleted";
const FINAL: u8 = 0;
const REUSABLE: u8 = 1;

/// The event that ends a stream. Events before it have no effect any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Whether the stream may start again after it.
    pub reusable: bool,
}

impl Append {
    /// Adds the end of the stream, as a commit of one event.
    ///
    /// # Errors
    /// Returns [`CodecError::TooLarge`] if the metadata is too large. The append is then unchanged.
    pub fn push_deletion(
        &mut self,
        commit: NewCommit<'_>,
        deletion: Deletion,
    ) -> Result<(), CodecError> {
        let mut event = SmallVec::<[u8; 24]>::new();
        event.extend_from_slice(&1u32.to_le_bytes());
        event.push(if deletion.reusable { REUSABLE } else { FINAL });
        event.push(NO_CODEC);
        let mut name = Vec::with_capacity(NAME.len() + 2);
        put_text(&mut name, NAME);
        put_varint(&mut name, 1);
        event.extend_from_slice(&name);
        self.push_events(commit, 1, &event)
    }
}

impl EventView<'_> {
    /// Returns the deletion if this is the end of the stream, or `None` for any other event.
    #[must_use]
    #[inline]
    pub fn deletion(&self) -> Option<Deletion> {
        if self.codec != NO_CODEC || self.event_type != NAME {
            return None;
        }
        Some(Deletion { reusable: self.payload == [REUSABLE] })
    }
}
