//! Collects the notes of parked events to write, together with a checkpoint.

use actuarius_domain::Position;
use actuarius_persistence::Notes;

use super::ParkedEvents;
use super::key::Key;
use super::note::{self, Name};
use crate::subscription::checkpoint::{self, Checkpoint, Mark};

/// A set of notes takes no more.
struct Full;

impl ParkedEvents {
    /// Whether a note is outdated.
    pub(in crate::subscription) fn has_outdated(&self) -> bool {
        !self.pending.outdated.is_empty()
    }

    /// How many events are in memory only, because the checkpoint has not passed them.
    pub(in crate::subscription) fn unstored(&self) -> usize {
        let skipped = self.skipped.range((self.pending.passed().next(), "".into())..);
        self.pending.unstored.len() + skipped.count()
    }

    /// Returns the notes that move the store towards `target`, and the checkpoint they contain: one set may be
    /// too small for everything. They count as stored from here on, because after a write that fails nothing
    /// is ever written again.
    pub(in crate::subscription) fn take_notes(
        &mut self,
        name: &str,
        target: Checkpoint,
    ) -> (Notes, Checkpoint) {
        let (mut notes, mut reached) = (Notes::default(), target);
        // The checkpoint always takes as many bytes, so its room is reserved before it is known.
        let place = checkpoint::key(name);
        let _ = notes.put(&place, target.encode());
        if self.take_outdated(name, &mut notes).is_ok() {
            self.pending.resetting = false;
            reached.mark = self.take_unstored(name, target.mark, &mut notes);
        } else {
            // A reset moves back first, so that no event is lost: later notes that are left over are recognised.
            reached.mark = self.pending.stored.or_before(target.mark);
            reached.resetting = self.pending.resetting;
        }
        let _ = notes.put(&place, reached.encode());
        self.pending.stored = reached.mark;
        self.prune_skipped();
        (notes, reached)
    }

    fn take_outdated(&mut self, name: &str, notes: &mut Notes) -> Result<(), Full> {
        while let Some((key, outdated)) = self.pending.outdated.first() {
            let place = note::key(name, key, *outdated);
            self.change(notes, &place, self.content(key, *outdated))?;
            self.pending.outdated.pop_first();
        }
        Ok(())
    }

    fn change(&self, notes: &mut Notes, name: &str, content: Option<Vec<u8>>) -> Result<(), Full> {
        if notes.len() > self.bounds.changes {
            return Err(Full);
        }
        let changed = match content {
            Some(value) => notes.put(name, value),
            None => notes.remove(name),
        };
        // Names, keys and texts are bounded, so there is no other reason.
        changed.map_err(|_| Full)
    }

    /// Returns the content that a note should have, or `None` if it should not exist.
    fn content(&self, key: &str, name: Name) -> Option<Vec<u8>> {
        let position = match name {
            Name::Skipped(position) => {
                return self.has_skipped(position, &key.into()).then(note::skipped);
            }
            Name::Parked(position) => position,
            Name::Overflow => self.keys.get(key)?.overflow()?.position,
        };
        // What the checkpoint has not passed is noted together with the checkpoint that does.
        let (noted, entry) = self.keys.get(key)?.to_be_noted(position)?;
        (noted == name && self.pending.has_passed(position)).then(|| note::value(name, entry))
    }

    /// Returns how far the checkpoint may move: before the first parked event that does not fit.
    fn take_unstored(&mut self, name: &str, target: Mark, notes: &mut Notes) -> Mark {
        while let Some((position, key)) = self.pending.unstored.first()
            && let position = *position
            && position <= target.position
            && let Some((noted, entry)) =
                self.keys.get(key).and_then(|its| its.to_be_noted(position))
        {
            let place = note::key(name, key, noted);
            if self.change(notes, &place, Some(note::value(noted, entry))).is_err() {
                return Mark::before(position, entry.commit);
            }
            self.pending.unstored.pop_first();
        }
        target
    }

    /// Removes skipped events that are not read again: the checkpoint has passed them, and no overflow is read
    /// across them. Call it once all notes are loaded.
    pub(in crate::subscription) fn prune_skipped(&mut self) {
        let passed = self.skipped.range(..(self.pending.passed().next(), "".into()));
        let over = passed.filter(|(position, key)| !self.is_in_overflow(*position, key));
        let over: Vec<_> = over.cloned().collect();
        for (position, key) in over {
            self.skipped.remove(&(position, key.clone()));
            self.pending.mark_outdated(&key, Name::Skipped(position));
        }
    }

    fn is_in_overflow(&self, position: Position, key: &str) -> bool {
        let overflow = self.keys.get(key).and_then(Key::overflow);
        overflow.is_some_and(|first| first.position < position)
    }
}
