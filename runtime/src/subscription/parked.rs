//! The parked events of a subscription, by key and in order: pure, so that no test waits.
//!
//! `noting` says which of their notes must be written, and how far the checkpoint may go with them.

mod note;
mod noting;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp};
use actuarius_persistence::{Note, ReadError};

use super::checkpoint::Checkpoint;
use note::{Name, Said};
use noting::Noting;

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
#[derive(Debug)]
pub(super) struct ParkedEvents {
    keys: BTreeMap<Arc<str>, VecDeque<Entry>>,
    count: usize,
    /// Events with their keys that were dropped before the stored checkpoint had passed them: they
    /// come again after a crash, and are not handled then either.
    skipped: BTreeMap<Position, Arc<str>>,
    noting: Noting,
}

impl ParkedEvents {
    /// None so far, beside this stored checkpoint.
    pub(super) fn beside(checkpoint: &Checkpoint) -> Self {
        Self {
            keys: BTreeMap::new(),
            count: 0,
            skipped: BTreeMap::new(),
            noting: Noting::beside(checkpoint),
        }
    }

    /// Adds what a stored note says, in the order of the notes' keys.
    ///
    /// A parked event behind the checkpoint is left over from a reset that was cut short: it comes
    /// again. A skipped one stays skipped, unless such a reset is still to be finished.
    pub(super) fn load(&mut self, name: &str, note: &Note) -> Result<(), ReadError> {
        let (key, said) = note::decode(name, note)?;
        match said {
            Said::Parked(entry) if self.noting.has_passed(entry.position) => self.push(key, entry),
            Said::Parked(entry) => self.noting.is_outdated(&key, Name::Parked(entry.position)),
            Said::Skipped(position) => {
                if self.noting.needs_skipped(position) {
                    self.skipped.insert(position, key);
                } else {
                    self.noting.is_outdated(&key, Name::Skipped(position));
                }
            }
        }
        Ok(())
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether the event was dropped: it is not handled when it comes again.
    pub(super) fn has_skipped(&self, position: Position) -> bool {
        self.skipped.contains_key(&position)
    }

    /// How many are held in memory because the checkpoint has not passed them.
    pub(super) fn unstored(&self) -> usize {
        self.noting.unstored() + self.skipped.len()
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
        self.noting.is_unstored(&key, entry.position);
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

    /// The first of its key was handled, and is parked no more.
    pub(super) fn remove_first(&mut self, key: &Arc<str>) -> Option<Entry> {
        let parked = self.keys.get_mut(key)?;
        let entry = parked.pop_front()?;
        if parked.is_empty() {
            self.keys.remove(key);
        }
        self.count -= 1;
        self.noting.is_gone(key, entry.position);
        Some(entry)
    }

    /// The first of its key is never handled.
    pub(super) fn skip_first(&mut self, key: &Arc<str>) -> Option<Entry> {
        let entry = self.remove_first(key)?;
        if !self.noting.has_passed(entry.position) {
            // It comes again after a crash, so that must be noted.
            self.skipped.insert(entry.position, key.clone());
            self.noting.is_outdated(key, Name::Skipped(entry.position));
        }
        Some(entry)
    }

    /// The first of its key was tried once more, in vain.
    pub(super) fn first_failed(&mut self, key: &Arc<str>, why: &str) {
        let Some(first) = self.keys.get_mut(key).and_then(|parked| parked.front_mut()) else {
            return;
        };
        first.attempts = first.attempts.saturating_add(1);
        first.error = note::error_text(why);
        if self.noting.has_passed(first.position) {
            self.noting.is_outdated(key, Name::Parked(first.position));
        }
    }

    /// Forgets everything about events behind `position`: they come again.
    pub(super) fn forget_behind(&mut self, position: Position) {
        let mut forgotten = Vec::new();
        self.keys.retain(|key, parked| {
            let kept = parked.partition_point(|entry| entry.position <= position);
            forgotten.extend(parked.drain(kept..).map(|entry| (key.clone(), entry.position)));
            !parked.is_empty()
        });
        self.count -= forgotten.len();
        for (key, position) in forgotten {
            self.noting.is_gone(&key, position);
        }
        for (position, key) in self.skipped.split_off(&position.next()) {
            self.noting.is_outdated(&key, Name::Skipped(position));
        }
        self.noting.is_reset_to(position);
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

    fn entry(&self, key: &str, position: Position) -> Option<&Entry> {
        let parked = self.keys.get(key)?;
        let place = parked.binary_search_by_key(&position, |entry| entry.position).ok()?;
        parked.get(place)
    }
}

#[cfg(test)]
mod tests;
