//! Which notes about parked events must be written, and how far the checkpoint may go with them.
//!
//! What is stored is right at every moment, however little of what is due has been written:
//!
//! - A parked event that the stored checkpoint has passed has a note: both are in one set. One that
//!   it has not passed needs none, because it comes again.
//! - The checkpoint passes nothing while a note says something that is no longer so. Otherwise an
//!   event that was handled could count as parked again, behind those that were handled after it.
//! - A skipped event has a note until the checkpoint has passed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{NoteTooLarge, Notes};

use super::ParkedEvents;
use super::note::{self, Name};
use crate::subscription::checkpoint::{self, Checkpoint, Mark};

/// What the notes say, and what they should.
#[derive(Debug)]
pub(super) struct Noting {
    /// What the stored checkpoint says, or the one on its way: after a write that fails nothing is
    /// ever written again.
    stored: Mark,
    /// A reset has moved the checkpoint back, and not all notes about events behind it are removed.
    resetting: bool,
    /// Parked events without a note, because the checkpoint has not passed them. They count as in
    /// flight, so their number is bounded.
    unstored: BTreeMap<Position, Arc<str>>,
    /// Notes that say something that is no longer so.
    outdated: BTreeSet<(Arc<str>, Name)>,
}

impl Noting {
    pub(super) fn beside(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { mark: stored, resetting, .. } = *checkpoint;
        Self { stored, resetting, unstored: BTreeMap::new(), outdated: BTreeSet::new() }
    }

    /// Whether the stored checkpoint has passed the event: it does not come again.
    pub(super) fn has_passed(&self, position: Position) -> bool {
        position <= self.stored.position
    }

    /// Whether a stored note of a skipped event is still needed.
    pub(super) fn needs_skipped(&self, position: Position) -> bool {
        !self.has_passed(position) && !self.resetting
    }

    pub(super) fn unstored(&self) -> usize {
        self.unstored.len()
    }

    pub(super) fn is_unstored(&mut self, key: &Arc<str>, position: Position) {
        self.unstored.insert(position, key.clone());
    }

    pub(super) fn is_outdated(&mut self, key: &Arc<str>, name: Name) {
        self.outdated.insert((key.clone(), name));
    }

    /// The event is parked no more.
    pub(super) fn is_gone(&mut self, key: &Arc<str>, position: Position) {
        if self.unstored.remove(&position).is_none() {
            self.is_outdated(key, Name::Parked(position));
        }
    }

    /// The checkpoint is to be moved to `position`.
    pub(super) fn is_reset_to(&mut self, position: Position) {
        self.resetting = position < self.stored.position;
    }
}

impl ParkedEvents {
    /// Whether a note says something that is no longer so.
    pub(in crate::subscription) fn has_outdated(&self) -> bool {
        !self.noting.outdated.is_empty()
    }

    /// The notes that bring the store towards `target`, and the checkpoint they hold: one set may be
    /// too small for all that is to be written. They count as stored from here on, because after a
    /// write that fails nothing is ever written again.
    pub(in crate::subscription) fn take_notes(
        &mut self,
        name: &str,
        target: Checkpoint,
    ) -> (Notes, Checkpoint) {
        let (mut notes, mut reached) = (Notes::default(), target);
        // It always takes as many bytes, so its place is taken before it is known. Here and below, a
        // set refuses a note only because it is full: names, keys and texts are bounded.
        let place = checkpoint::key(name);
        let _ = notes.put(&place, target.encode());
        if self.take_outdated(name, &mut notes).is_ok() {
            self.noting.resetting = false;
            reached.mark = self.take_unstored(name, target.mark, &mut notes);
        } else {
            // A reset goes back first, so that no event is lost: what is left of the notes behind it
            // is recognised.
            reached.mark = self.noting.stored.or_before(target.mark);
            reached.resetting = self.noting.resetting;
        }
        let _ = notes.put(&place, reached.encode());
        self.noting.stored = reached.mark;
        self.forget_skipped();
        (notes, reached)
    }

    fn take_outdated(&mut self, name: &str, notes: &mut Notes) -> Result<(), NoteTooLarge> {
        while let Some((key, outdated)) = self.noting.outdated.first() {
            let place = note::key(name, key, *outdated);
            match self.said(key, *outdated) {
                Some(value) => notes.put(place, value)?,
                None => notes.remove(place)?,
            }
            self.noting.outdated.pop_first();
        }
        Ok(())
    }

    /// What a note should say; none when there should be none.
    fn said(&self, key: &str, name: Name) -> Option<Vec<u8>> {
        match name {
            Name::Parked(position) => self.entry(key, position).map(note::parked),
            Name::Skipped(position) => self.has_skipped(position).then(note::skipped),
        }
    }

    /// Returns how far the checkpoint may go: before the first parked event that does not fit.
    fn take_unstored(&mut self, name: &str, target: Mark, notes: &mut Notes) -> Mark {
        while let Some((&position, key)) = self.noting.unstored.first_key_value()
            && position <= target.position
            && let Some(entry) = self.entry(key, position)
        {
            let place = note::key(name, key, Name::Parked(position));
            if notes.put(place, note::parked(entry)).is_err() {
                return Mark::before(position, entry.commit);
            }
            self.noting.unstored.pop_first();
        }
        target
    }

    /// What the checkpoint has passed does not come again.
    fn forget_skipped(&mut self) {
        while let Some(first) = self.skipped.first_entry()
            && self.noting.has_passed(*first.key())
        {
            let (position, key) = first.remove_entry();
            self.noting.is_outdated(&key, Name::Skipped(position));
        }
    }
}
