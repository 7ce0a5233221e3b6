//! Which notes of parked events must be written, and how far the checkpoint may move with them.
//!
//! The store is consistent at every moment, however few of the pending notes have been written:
//!
//! - A parked event that the stored checkpoint has passed has a note: both are in one set. One that
//!   it has not passed needs none, because it is read again.
//! - The checkpoint does not move while a note is outdated. Otherwise an event that was handled could count
//!   as parked again, after later ones were handled.
//! - A skipped event has a note for as long as it could be read again: until the checkpoint has passed it,
//!   and no overflow is to be read across it.

use std::collections::BTreeSet;
use std::sync::Arc;

use actuarius_domain::Position;

use super::note::Name;
use crate::subscription::checkpoint::{Checkpoint, Mark};

/// Which notes differ from what they should be.
#[derive(Debug)]
pub(super) struct PendingNotes {
    /// The stored checkpoint, or the one being written: after a write that fails nothing is ever written
    /// again.
    pub(super) stored: Mark,
    /// A reset has moved the checkpoint back, and some notes about later events are not removed yet.
    pub(super) resetting: bool,
    /// Parked events without a note, because the checkpoint has not passed them. They count as in flight, so
    /// their number is bounded.
    pub(super) unstored: BTreeSet<(Position, Arc<str>)>,
    /// Notes that are outdated.
    pub(super) outdated: BTreeSet<(Arc<str>, Name)>,
}

impl PendingNotes {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { mark: stored, resetting, .. } = *checkpoint;
        Self { stored, resetting, unstored: BTreeSet::new(), outdated: BTreeSet::new() }
    }

    /// Whether the stored checkpoint has passed the event, so that it is not read again.
    pub(super) fn has_passed(&self, position: Position) -> bool {
        position <= self.stored.position
    }

    /// Returns the position of the stored checkpoint.
    pub(super) fn passed(&self) -> Position {
        self.stored.position
    }

    /// Whether a reset has discarded the event, and its notes are left over.
    pub(super) fn is_discarded(&self, position: Position) -> bool {
        self.resetting && !self.has_passed(position)
    }

    pub(super) fn mark_unstored(&mut self, key: &Arc<str>, position: Position) {
        self.unstored.insert((position, key.clone()));
    }

    pub(super) fn mark_outdated(&mut self, key: &Arc<str>, name: Name) {
        self.outdated.insert((key.clone(), name));
    }

    /// The note `name` is to describe the event from now on, or has changed.
    pub(super) fn mark_changed(&mut self, key: &Arc<str>, name: Name, position: Position) {
        if self.has_passed(position) {
            self.mark_outdated(key, name);
        } else {
            self.mark_unstored(key, position);
        }
    }

    /// The note `name` is not to describe the event any more.
    pub(super) fn mark_removed(&mut self, key: &Arc<str>, name: Name, position: Position) {
        if !self.unstored.remove(&(position, key.clone())) {
            self.mark_outdated(key, name);
        }
    }

    /// The checkpoint is to be moved to `position`.
    pub(super) fn reset_to(&mut self, position: Position) {
        self.resetting = position < self.stored.position;
    }
}
