//! The parked events of one key.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::{Add, Sub};
use std::sync::Arc;

use actuarius_domain::Position;

use super::event::{Entry, Parked};
use super::note::Name;
use crate::subscription::checkpoint::Mark;

/// Some parked events of a key are listed, each with a note of its own. Later events are the overflow: it
/// has one note with the place where it begins, and is read from the log again to be handled. Some of the
/// overflow may be listed, too.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The first events, in order. If there is an overflow, its first event is always among them.
    listed: VecDeque<Entry>,
    /// How many of them have a note of their own.
    noted: usize,
    overflow: Option<Overflow>,
}

/// The events after those with a note of their own.
#[derive(Debug)]
struct Overflow {
    /// The log was read up to here, and what it holds of the overflow is listed.
    read: Mark,
    /// The position of the last event, or an earlier one.
    last: Position,
    /// How many events are known and not listed.
    more: u64,
}

/// The part of the log that the overflow is read from.
#[derive(Debug, Clone)]
pub(in crate::subscription) struct LogRange {
    /// The range begins after this place.
    pub(in crate::subscription) after: Mark,
    /// The range ends with this position.
    pub(in crate::subscription) last: Position,
    /// Some event of the key, whose stream the others may share.
    pub(in crate::subscription) example: Entry,
}

/// Reading resumes after the event, with its commit.
fn mark(entry: &Entry) -> Mark {
    Mark { position: entry.position, ..Mark::before(entry.commit, entry.commit) }
}

/// How many events are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) listed: usize,
    /// Those that are to be read from the log again.
    pub(super) more: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { listed: self.listed + other.listed, more: self.more + other.more }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { listed: self.listed - other.listed, more: self.more - other.more }
    }
}

impl Overflow {
    fn is_read(&self) -> bool {
        self.read.position >= self.last
    }
}

impl Key {
    /// Adds the overflow that a note describes: everything up to `last`.
    pub(super) fn add_overflow(&mut self, first: Entry, last: Position) {
        self.overflow = Some(Overflow { read: mark(&first), last, more: 0 });
        self.listed.push_back(first);
    }

    pub(super) fn add_noted(&mut self, entry: Entry) {
        self.listed.push_back(entry);
        self.noted += 1;
    }

    /// Adds the next event, with a note of its own or to the overflow. Returns whether a note is to be written.
    pub(super) fn park(&mut self, entry: Entry, is_noted: bool, is_listed: bool) -> bool {
        let Some(overflow) = &mut self.overflow else {
            if is_noted {
                self.add_noted(entry);
            } else {
                let last = entry.position;
                self.add_overflow(entry, last);
            }
            return true;
        };
        if overflow.is_read() && is_listed {
            overflow.read = mark(&entry);
            overflow.last = entry.position;
            self.listed.push_back(entry);
        } else {
            overflow.last = entry.position;
            overflow.more += 1;
        }
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    pub(super) fn counts(&self) -> Counts {
        let more = self.overflow.as_ref().map_or(0, |overflow| overflow.more);
        Counts { listed: self.listed.len(), more }
    }

    /// Whether events are parked that are not listed.
    pub(super) fn has_more(&self) -> bool {
        self.overflow.as_ref().is_some_and(|overflow| !overflow.is_read())
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.listed.front()
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut Entry> {
        self.listed.front_mut()
    }

    /// Returns the first event of the overflow, which its note describes.
    pub(super) fn overflow(&self) -> Option<&Entry> {
        self.overflow.as_ref()?;
        self.listed.get(self.noted)
    }

    /// Returns the event at `position` if it is to have a note, and the note's name.
    pub(super) fn to_be_noted(&self, position: Position) -> Option<(Name, &Entry)> {
        let place = self.listed.binary_search_by_key(&position, |entry| entry.position).ok()?;
        Some((self.name(place)?, self.listed.get(place)?))
    }

    /// Returns the name of the note about the event at this index of the list.
    pub(super) fn name(&self, place: usize) -> Option<Name> {
        match place.cmp(&self.noted) {
            Ordering::Less => Some(Name::Parked(self.listed.get(place)?.position)),
            Ordering::Equal => self.overflow.as_ref().map(|_| Name::Overflow),
            Ordering::Greater => None,
        }
    }

    /// Returns what must be read before the first event may be removed: it must not be the last known one,
    /// unless no other follows it.
    pub(super) fn unread(&self) -> Option<LogRange> {
        let overflow = self.overflow.as_ref().filter(|overflow| !overflow.is_read())?;
        let example = self.listed.front().filter(|_| self.listed.len() == 1)?.clone();
        Some(LogRange { after: overflow.read, last: overflow.last, example })
    }

    /// Adds what was read of the overflow.
    pub(super) fn add_read(&mut self, entries: Vec<Entry>, read: Mark) {
        let Some(overflow) = &mut self.overflow else { return };
        overflow.read = read;
        overflow.more = match overflow.is_read() {
            true => 0,
            false => overflow.more.saturating_sub(entries.len() as u64),
        };
        self.listed.extend(entries);
    }

    /// Removes the first event. Nothing of the overflow may be [unread](Self::unread).
    pub(super) fn pop(&mut self) -> Option<(Name, Entry)> {
        let name = self.name(0)?;
        let entry = self.listed.pop_front()?;
        if name != Name::Overflow {
            self.noted -= 1;
        } else if self.listed.is_empty() {
            self.overflow = None;
        }
        Some((name, entry))
    }

    /// Discards events after `position`. Returns the notes that are outdated by that, with the positions of
    /// their events.
    pub(super) fn cut_after(&mut self, position: Position) -> Vec<(Name, Position)> {
        let kept = self.listed.partition_point(|entry| entry.position <= position);
        let named = |place| Some((self.name(place)?, self.listed.get(place)?.position));
        let cut: Vec<_> = (kept..self.listed.len()).filter_map(named).collect();
        self.listed.truncate(kept);
        if kept <= self.noted {
            (self.noted, self.overflow) = (kept, None);
        }
        if let (Some(overflow), Some(last)) = (&mut self.overflow, self.listed.back()) {
            *overflow = Overflow { read: mark(last), last: position.min(overflow.last), more: 0 };
        }
        cut
    }

    /// Returns the listed events.
    pub(super) fn describe<'a>(&'a self, key: &'a Arc<str>) -> impl Iterator<Item = Parked> + 'a {
        let Counts { listed, more } = self.counts();
        let listed = (0..listed as u64).rev().zip(&self.listed);
        listed.map(move |(behind, entry)| entry.describe(key, behind + more))
    }
}
