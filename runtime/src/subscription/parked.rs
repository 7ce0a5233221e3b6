//! The parked events of a subscription, by key and in order: pure, so that tests need not wait.
//!
//! `key` holds the events of one key: those that are listed, and those to be read from the log again;
//! `pending` holds which notes must be written, and `storing` collects them.

mod event;
mod key;
mod note;
mod pending;
mod storing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Note, ReadError};

use super::checkpoint::{Checkpoint, Mark};
use key::{Counts, Key};
use note::{Name, NoteContent};
use pending::PendingNotes;

pub(super) use event::Entry;
pub use event::{Parked, ParkedOfKey};
pub(super) use key::LogRange;
pub(super) use note::prefix;

/// How much is kept. Beyond it nothing is lost: events are read from the log again, except that too
/// many keys halt the subscription.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// More keys with an event that cannot be handled have one cause, not many.
    keys: usize,
    /// Enough to see what waits after an event, and to handle it without a search.
    listed_of_key: usize,
    /// Of all keys together, except the first of each: this is read at the start, in well under a second, and
    /// takes some 20 MB.
    listed: usize,
    /// How many notes are changed at once, if they fit into a set.
    changes: usize,
}

const BOUNDS: Bounds = Bounds { keys: 16_384, listed_of_key: 1_024, listed: 65_536, changes: 100 };

/// All parked events.
#[derive(Debug)]
pub(super) struct ParkedEvents {
    bounds: Bounds,
    keys: BTreeMap<Arc<str>, Key>,
    counts: Counts,
    /// Events with their keys that were skipped before the stored checkpoint had passed them: they are read
    /// again after a crash, and not handled then either.
    skipped: BTreeSet<(Position, Arc<str>)>,
    pending: PendingNotes,
}

impl ParkedEvents {
    /// Creates an empty set for this stored checkpoint.
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            bounds: BOUNDS,
            keys: BTreeMap::new(),
            counts: Counts::default(),
            skipped: BTreeSet::new(),
            pending: PendingNotes::new(checkpoint),
        }
    }

    /// Adds the content of a stored note, in the order of the notes' keys.
    ///
    /// An event parked after the checkpoint is left over from an interrupted reset: it is read again. A
    /// skipped event stays skipped, unless such a reset is still to be finished.
    pub(super) fn load(&mut self, name: &str, note: &Note) -> Result<(), ReadError> {
        let (key, content) = note::decode(name, note)?;
        match content {
            NoteContent::Parked(entry) if self.pending.has_passed(entry.position) => {
                self.changed(&key, |its| its.add_noted(entry));
            }
            NoteContent::Overflow(first) if self.pending.has_passed(first.position) => {
                // Events after the checkpoint are read again.
                let last = self.pending.passed();
                self.changed(&key, |its| its.add_overflow(first, last));
            }
            NoteContent::Parked(entry) => {
                self.pending.mark_outdated(&key, Name::Parked(entry.position));
            }
            NoteContent::Overflow(_) => self.pending.mark_outdated(&key, Name::Overflow),
            NoteContent::Skipped(position) if self.pending.is_discarded(position) => {
                self.pending.mark_outdated(&key, Name::Skipped(position));
            }
            NoteContent::Skipped(position) => drop(self.skipped.insert((position, key))),
        }
        Ok(())
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// How many are parked, as far as is known.
    pub(super) fn count(&self) -> u64 {
        self.counts.listed as u64 + self.counts.more
    }

    /// How many keys have parked events, and how many events are parked, as far as is known.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.keys.len() as u64, self.count())
    }

    /// Whether the key's share of the event was skipped: it is not handled when it is read again.
    pub(super) fn has_skipped(&self, position: Position, key: &Arc<str>) -> bool {
        // This set is nearly always empty.
        !self.skipped.is_empty() && self.skipped.contains(&(position, key.clone()))
    }

    /// Whether an event of `key` may be parked, or why not. `has_key` is whether the event can be found again
    /// by its key.
    pub(super) fn has_room_for(&self, key: &str, has_key: bool) -> Result<(), String> {
        match self.keys.get(key) {
            None if self.keys.len() >= self.bounds.keys => Err(format!(
                "events of {} keys are parked, and no more are taken",
                self.bounds.keys
            )),
            Some(its) if !has_key && !self.may_be_noted(its) => {
                Err("too much is parked under a key that cannot be determined".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn may_be_noted(&self, its: &Key) -> bool {
        its.overflow().is_none() && self.may_be_listed(its.counts().listed)
    }

    fn may_be_listed(&self, of_key: usize) -> bool {
        of_key < self.bounds.listed_of_key && self.counts.listed < self.bounds.listed
    }

    pub(super) fn park(&mut self, key: &Arc<str>, entry: Entry) {
        let position = entry.position;
        let of_key = self.keys.get(key).map_or(0, |its| its.counts().listed);
        let has_room = self.may_be_listed(of_key);
        if self.changed(key, |its| its.park(entry, has_room || of_key == 0, has_room)) {
            self.pending.mark_unstored(key, position);
        }
    }

    /// Changes a key and the total counts.
    fn changed<T>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Key) -> T) -> T {
        let its = self.keys.entry(key.clone()).or_default();
        let before = its.counts();
        let changed = change(its);
        self.counts = self.counts + its.counts() - before;
        if its.is_empty() {
            self.keys.remove(key);
        }
        changed
    }

    /// Returns the event that failed and holds up its key.
    pub(super) fn first(&self, key: &str) -> Option<&Entry> {
        self.keys.get(key)?.first()
    }

    /// Returns what must be read from the log and [added](Self::add_read) before the first event of its key
    /// may be handled or skipped.
    pub(super) fn unread(&self, key: &str) -> Option<LogRange> {
        self.keys.get(key)?.unread()
    }

    /// Adds the parked events of the key up to `read`, after those that are listed.
    pub(super) fn add_read(&mut self, key: &Arc<str>, mut entries: Vec<Entry>, read: Mark) {
        entries.retain(|entry| !self.has_skipped(entry.position, key));
        self.changed(key, |its| its.add_read(entries, read));
    }

    /// Removes the first event of its key, which was handled.
    pub(super) fn remove_first(&mut self, key: &Arc<str>) -> Option<Entry> {
        let (name, entry) = self.changed(key, Key::pop)?;
        self.pending.mark_removed(key, name, entry.position);
        if name == Name::Overflow
            && let Some(next) = self.keys.get(key).and_then(Key::overflow)
        {
            self.pending.mark_changed(key, name, next.position);
        }
        Some(entry)
    }

    /// Removes the first event of its key, which is never handled.
    pub(super) fn skip_first(&mut self, key: &Arc<str>) -> Option<Entry> {
        let entry = self.remove_first(key)?;
        if !self.pending.has_passed(entry.position) {
            // It is read again after a crash, so a note must say that it was skipped.
            self.skipped.insert((entry.position, key.clone()));
            self.pending.mark_outdated(key, Name::Skipped(entry.position));
        }
        Some(entry)
    }

    /// Counts another failure of the first event of its key.
    pub(super) fn first_failed(&mut self, key: &Arc<str>, why: &str) {
        let Some(its) = self.keys.get_mut(key) else { return };
        let Some(first) = its.first_mut() else { return };
        first.attempts = first.attempts.saturating_add(1);
        first.error = note::error_text(why);
        let position = first.position;
        if let Some(name) = its.name(0) {
            self.pending.mark_changed(key, name, position);
        }
    }

    /// Lets the events of a key be retried at the next start.
    pub(super) fn retry_at_start(&mut self, key: &Arc<str>) {
        let Some(its) = self.keys.get_mut(key) else { return };
        let Some(first) = its.first_mut() else { return };
        first.attempts = 0;
        let position = first.position;
        if let Some(name) = its.name(0) {
            self.pending.mark_changed(key, name, position);
        }
    }

    /// Returns the keys whose first event has not failed: a retry of the key was interrupted, or is to begin.
    pub(super) fn due_at_start(&self) -> Vec<Arc<str>> {
        let is_due = |its: &Key| its.first().is_some_and(|first| first.attempts == 0);
        self.keys.iter().filter(|(_, its)| is_due(its)).map(|(key, _)| key.clone()).collect()
    }

    /// Discards everything about events after `position`: they are read again.
    pub(super) fn discard_after(&mut self, position: Position) {
        let keys: Vec<_> = self.keys.keys().cloned().collect();
        for key in keys {
            for (name, position) in self.changed(&key, |its| its.cut_after(position)) {
                self.pending.mark_removed(&key, name, position);
            }
        }
        for (position, key) in self.skipped.split_off(&(position.next(), "".into())) {
            self.pending.mark_outdated(&key, Name::Skipped(position));
        }
        self.pending.reset_to(position);
    }

    /// Returns the first event of each key.
    pub(super) fn firsts(&self) -> Vec<Parked> {
        self.keys.iter().filter_map(|(key, its)| its.describe(key).next()).collect()
    }

    /// Returns the listed events of one key.
    pub(super) fn of(&self, key: &str) -> ParkedOfKey {
        let Some((key, its)) = self.keys.get_key_value(key) else { return ParkedOfKey::default() };
        ParkedOfKey { events: its.describe(key).collect(), more: its.has_more() }
    }
}

#[cfg(test)]
mod tests;
