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
use actuarius_persistence::Notes;

use super::ParkedEvents;
use super::key::Key;
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
    unstored: BTreeSet<(Position, Arc<str>)>,
    /// Notes that say something that is no longer so.
    outdated: BTreeSet<(Arc<str>, Name)>,
}

/// A set of notes takes no more.
struct Full;

impl Noting {
    pub(super) fn beside(checkpoint: &Checkpoint) -> Self {
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

    pub(super) fn is_unstored(&mut self, key: &Arc<str>, position: Position) {
        self.unstored.insert((position, key.clone()));
    }

    pub(super) fn is_outdated(&mut self, key: &Arc<str>, name: Name) {
        self.outdated.insert((key.clone(), name));
    }

    /// The note `name` is to be about the event from now on, or to say something new of it.
    pub(super) fn is_due(&mut self, key: &Arc<str>, name: Name, position: Position) {
        if self.has_passed(position) {
            self.is_outdated(key, name);
        } else {
            self.is_unstored(key, position);
        }
    }

    /// The note `name` is not to be about the event any more.
    pub(super) fn is_gone(&mut self, key: &Arc<str>, name: Name, position: Position) {
        if !self.unstored.remove(&(position, key.clone())) {
            self.is_outdated(key, name);
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

    /// How many are held in memory because the checkpoint has not passed them.
    pub(in crate::subscription) fn unstored(&self) -> usize {
        let skipped = self.skipped.range((self.noting.passed().next(), "".into())..);
        self.noting.unstored.len() + skipped.count()
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
        // It always takes as many bytes, so its place is taken before it is known.
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

    fn take_outdated(&mut self, name: &str, notes: &mut Notes) -> Result<(), Full> {
        while let Some((key, outdated)) = self.noting.outdated.first() {
            let place = note::key(name, key, *outdated);
            self.change(notes, &place, self.said(key, *outdated))?;
            self.noting.outdated.pop_first();
        }
        Ok(())
    }

    fn change(&self, notes: &mut Notes, name: &str, said: Option<Vec<u8>>) -> Result<(), Full> {
        if notes.len() > self.bounds.changes {
            return Err(Full);
        }
        let changed = match said {
            Some(value) => notes.put(name, value),
            None => notes.remove(name),
        };
        // Names, keys and texts are bounded, so there is no other reason.
        changed.map_err(|_| Full)
    }

    /// What a note should say; none when there should be none.
    fn said(&self, key: &str, name: Name) -> Option<Vec<u8>> {
        let position = match name {
            Name::Skipped(position) => {
                return self.has_skipped(position, &key.into()).then(note::skipped);
            }
            Name::Parked(position) => position,
            Name::Rest => self.keys.get(key)?.rest()?.position,
        };
        // What the checkpoint has not passed is noted with the one that does.
        let (noted, entry) = self.keys.get(key)?.to_be_noted(position)?;
        (noted == name && self.noting.has_passed(position)).then(|| note::value(name, entry))
    }

    /// Returns how far the checkpoint may go: before the first parked event that does not fit.
    fn take_unstored(&mut self, name: &str, target: Mark, notes: &mut Notes) -> Mark {
        while let Some((position, key)) = self.noting.unstored.first()
            && let position = *position
            && position <= target.position
            && let Some((noted, entry)) =
                self.keys.get(key).and_then(|its| its.to_be_noted(position))
        {
            let place = note::key(name, key, noted);
            if self.change(notes, &place, Some(note::value(noted, entry))).is_err() {
                return Mark::before(position, entry.commit);
            }
            self.noting.unstored.pop_first();
        }
        target
    }

    /// Forgets what was skipped and does not come again: the checkpoint has passed it, and it is not
    /// read with a rest. To be called when all notes are loaded.
    pub(in crate::subscription) fn forget_skipped(&mut self) {
        let passed = self.skipped.range(..(self.noting.passed().next(), "".into()));
        let over = passed.filter(|(position, key)| !self.is_in_rest(*position, key));
        let over: Vec<_> = over.cloned().collect();
        for (position, key) in over {
            self.skipped.remove(&(position, key.clone()));
            self.noting.is_outdated(&key, Name::Skipped(position));
        }
    }

    fn is_in_rest(&self, position: Position, key: &str) -> bool {
        let rest = self.keys.get(key).and_then(Key::rest);
        rest.is_some_and(|first| first.position < position)
    }
}
