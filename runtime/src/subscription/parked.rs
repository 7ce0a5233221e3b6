//! The parked events of a subscription, by key and in order, and which of their notes must be
//! written: pure, so that no test waits.
//!
//! A stored parked event is never behind the stored checkpoint: its note is written in one set with
//! the checkpoint that passes it.

mod note;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};
use actuarius_persistence::{Note, Notes, ReadError};

use super::checkpoint::{self, Checkpoint, Mark};

pub(super) use note::prefix;

/// More keys than this with an event that cannot be handled are one cause, not many.
const KEYS_MAX: usize = 1_024;
/// Someone has to look at a key behind which so much waits.
const EVENTS_OF_A_KEY_MAX: usize = 1_024;

/// An event that was set aside, because it, or one before it with the same key, failed too often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// What it is ordered by, see [`Subscribe::ordered_by`](super::Subscribe::ordered_by).
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
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Whether it is the first of its key: the one that failed. The others wait for it.
    pub is_first: bool,
}

/// A parked event, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) position: Position,
    /// The position of its commit.
    pub(super) commit: Position,
    pub(super) stream: StreamId,
    pub(super) event_type: Arc<str>,
    pub(super) attempts: u32,
    pub(super) error: Arc<str>,
    pub(super) parked_at: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct ParkedEvents {
    keys: BTreeMap<Arc<str>, VecDeque<Entry>>,
    count: usize,
    /// Those without a note so far. They count as in flight, so their number is bounded.
    unstored: BTreeMap<Position, Arc<str>>,
    /// Notes that say something that is no longer so.
    outdated: BTreeSet<(Arc<str>, Position)>,
}

impl ParkedEvents {
    /// Adds what a stored note says, in the order of the notes' keys.
    ///
    /// An event behind the checkpoint is left over from a reset that was cut short: it comes again.
    pub(super) fn load(
        &mut self,
        name: &str,
        note: &Note,
        checkpoint: Mark,
    ) -> Result<(), ReadError> {
        let (key, entry) = note::decode(name, note)?;
        if entry.position > checkpoint.position {
            self.outdated.insert((key, entry.position));
        } else {
            self.push(key, entry);
        }
        Ok(())
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How many are held in memory only.
    pub(super) fn unstored(&self) -> usize {
        self.unstored.len()
    }

    /// Whether another event of `key` may be parked, or why not.
    pub(super) fn has_room_for(&self, key: &str) -> Result<(), String> {
        match self.keys.get(key) {
            None if self.keys.len() >= KEYS_MAX => {
                Err(format!("events of {KEYS_MAX} keys are parked, and no more are taken"))
            }
            Some(parked) if parked.len() >= EVENTS_OF_A_KEY_MAX => Err(format!(
                "{EVENTS_OF_A_KEY_MAX} events are parked under {key:?}, and no more are taken"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn park(&mut self, key: Arc<str>, entry: Entry) {
        // The note that a reset has not removed yet will be replaced instead.
        self.outdated.remove(&(key.clone(), entry.position));
        self.unstored.insert(entry.position, key.clone());
        self.push(key, entry);
    }

    fn push(&mut self, key: Arc<str>, entry: Entry) {
        self.keys.entry(key).or_default().push_back(entry);
        self.count += 1;
    }

    /// The event that failed and holds up its key.
    pub(super) fn first(&self, key: &str) -> Option<&Entry> {
        self.keys.get(key)?.front()
    }

    /// The first of its key is parked no more.
    pub(super) fn remove_first(&mut self, key: &Arc<str>) -> Option<Entry> {
        let parked = self.keys.get_mut(key)?;
        let entry = parked.pop_front()?;
        if parked.is_empty() {
            self.keys.remove(key);
        }
        self.removed(key, entry.position);
        Some(entry)
    }

    fn removed(&mut self, key: &Arc<str>, position: Position) {
        self.count -= 1;
        if self.unstored.remove(&position).is_none() {
            self.outdated.insert((key.clone(), position));
        }
    }

    /// The first of its key was tried once more, in vain.
    pub(super) fn first_failed(&mut self, key: &Arc<str>, why: &str) {
        let Some(first) = self.keys.get_mut(key).and_then(|parked| parked.front_mut()) else {
            return;
        };
        first.attempts = first.attempts.saturating_add(1);
        first.error = note::error_text(why);
        if !self.unstored.contains_key(&first.position) {
            self.outdated.insert((key.clone(), first.position));
        }
    }

    /// Forgets all events behind `position`: they come again.
    pub(super) fn forget_behind(&mut self, position: Position) {
        let mut forgotten = Vec::new();
        self.keys.retain(|key, parked| {
            let kept = parked.partition_point(|entry| entry.position <= position);
            forgotten.extend(parked.drain(kept..).map(|entry| (key.clone(), entry.position)));
            !parked.is_empty()
        });
        for (key, position) in forgotten {
            self.removed(&key, position);
        }
    }

    /// All of them, key by key.
    pub(super) fn all(&self) -> Vec<Parked> {
        let of_key = |(key, parked): (&Arc<str>, &VecDeque<Entry>)| {
            let listed = parked.iter().enumerate().map(|(place, entry)| Parked {
                key: key.clone(),
                position: entry.position,
                stream: entry.stream.clone(),
                event_type: entry.event_type.clone(),
                attempts: entry.attempts,
                error: entry.error.clone(),
                parked_at: entry.parked_at,
                is_first: place == 0,
            });
            listed.collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(of_key).collect()
    }

    /// Whether a note says something that is no longer so.
    pub(super) fn has_outdated(&self) -> bool {
        !self.outdated.is_empty()
    }

    /// The notes that bring the store towards `target`, and the checkpoint they hold: one set may be
    /// too small for all the parked events it passes. They count as stored from here on, because
    /// after a write that fails nothing is ever written again.
    pub(super) fn take_notes(&mut self, name: &str, target: Checkpoint) -> (Notes, Checkpoint) {
        let (mut notes, mut reached) = (Notes::default(), target);
        // It always takes as many bytes, so its place is taken before it is known. Here and below, a
        // set refuses a note only because it is full: names, keys and texts are bounded.
        let place = checkpoint::key(name);
        let _ = notes.put(&place, target.encode());
        while let Some((&position, key)) = self.unstored.first_key_value()
            && position <= target.mark.position
            && let Some(entry) = self.entry(key, position)
        {
            if notes.put(note::key(name, key, position), note::value(entry)).is_err() {
                reached.mark = Mark::before(position, entry.commit);
                break;
            }
            self.unstored.pop_first();
        }
        let _ = notes.put(&place, reached.encode());
        self.take_outdated(name, &mut notes);
        (notes, reached)
    }

    fn take_outdated(&mut self, name: &str, notes: &mut Notes) {
        while let Some((key, position)) = self.outdated.first() {
            let place = note::key(name, key, *position);
            let taken = match self.entry(key, *position) {
                Some(entry) => notes.put(place, note::value(entry)),
                None => notes.remove(place),
            };
            if taken.is_err() {
                return;
            }
            self.outdated.pop_first();
        }
    }

    fn entry(&self, key: &str, position: Position) -> Option<&Entry> {
        let parked = self.keys.get(key)?;
        let place = parked.binary_search_by_key(&position, |entry| entry.position).ok()?;
        parked.get(place)
    }
}

#[cfg(test)]
mod tests;
