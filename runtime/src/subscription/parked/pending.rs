//! Which notes about parked events must be written, and how far the checkpoint may go with them.
//!
//! What is stored is right at every moment, however little of what is due has been written:
//!
//! - A parked event that the stored checkpoint has passed has a note: both are in one set. One that
//!   it has not passed needs none, because it comes again.
//! - The checkpoint passes nothing while a note says something that is no longer so. Otherwise an
//!   event that was handled could count as parked again, behind those that were handled after it.
//! - A skipped event has a note as long as it would come again: until the checkpoint has passed it,
//!   and no rest is to be read over it.

use std::collections::BTreeSet;
use std::sync::Arc;

use actuarius_domain::Position;

use super::note::Name;
use crate::subscription::checkpoint::{Checkpoint, Mark};

/// What the notes say, and what they should.
#[derive(Debug)]
pub(super) struct PendingNotes {
    /// What the stored checkpoint says, or the one on its way: after a write that fails nothing is
    /// ever written again.
    pub(super) stored: Mark,
    /// A reset has moved the checkpoint back, and not all notes about events behind it are removed.
    pub(super) resetting: bool,
    /// Parked events without a note, because the checkpoint has not passed them. They count as in
    /// flight, so their number is bounded.
    pub(super) unstored: BTreeSet<(Position, Arc<str>)>,
    /// Notes that say something that is no longer so.
    pub(super) outdated: BTreeSet<(Arc<str>, Name)>,
}

impl PendingNotes {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { mark: stored, resetting, .. } = *checkpoint;
        Self { stored, resetting, unstored: BTreeSet::new(), outdated: BTreeSet::new() }
    }

    /// Whether the stored checkpoint has passed the event: it does not come again.
    pub(super) fn has_passed(&self, position: Position) -> bool {
        position <= self.stored.position
    }

    /// How far the stored checkpoint is.
    pub(super) fn passed(&self) -> Position {
        self.stored.position
    }

    /// Whether a reset has forgotten the event, and its notes are left over.
    pub(super) fn has_forgotten(&self, position: Position) -> bool {
        self.resetting && !self.has_passed(position)
    }

    pub(super) fn mark_unstored(&mut self, key: &Arc<str>, position: Position) {
        self.unstored.insert((position, key.clone()));
    }

    pub(super) fn mark_outdated(&mut self, key: &Arc<str>, name: Name) {
        self.outdated.insert((key.clone(), name));
    }

    /// The note `name` is to be about the event from now on, or to say something new of it.
    pub(super) fn mark_changed(&mut self, key: &Arc<str>, name: Name, position: Position) {
        if self.has_passed(position) {
            self.mark_outdated(key, name);
        } else {
            self.mark_unstored(key, position);
        }
    }

    /// The note `name` is not to be about the event any more.
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
