//! The parked events of one key.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::{Add, Sub};
use std::sync::Arc;

use actuarius_domain::Position;

use super::event::{Entry, Parked};
use super::note::Name;
use crate::subscription::checkpoint::Mark;

/// Some parked events of a key are listed, each with a note of its own. What comes behind them is
/// the rest: it has one note, which says where it begins, and is read from the log again when it is
/// to be handled. Some of the rest may be listed, too.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The first ones, in order. If there is a rest, its first event is always among them.
    listed: VecDeque<Entry>,
    /// So many of them have a note of their own.
    noted: usize,
    overflow: Option<Overflow>,
}

/// Behind the events with a note of their own.
#[derive(Debug)]
struct Overflow {
    /// Up to here the log was read for it, and what it holds is listed.
    read: Mark,
    /// Where its last event is, or before that.
    last: Position,
    /// How many of its events are known of and not listed.
    more: u64,
}

/// The part of the log that the rest is to be read from.
#[derive(Debug, Clone)]
pub(in crate::subscription) struct LogRange {
    /// It begins behind this place.
    pub(in crate::subscription) behind: Mark,
    /// It ends with this position.
    pub(in crate::subscription) last: Position,
    /// Some event of the key: what others of the same stream are read by.
    pub(in crate::subscription) example: Entry,
}

/// Reading goes on behind the event, with its commit.
fn mark(entry: &Entry) -> Mark {
    Mark { position: entry.position, ..Mark::before(entry.commit, entry.commit) }
}

/// How many events are known of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) listed: usize,
    /// Of those that are to be read from the log again.
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
    /// The rest of a key as a note said it: everything up to `last`.
    pub(super) fn add_overflow(&mut self, first: Entry, last: Position) {
        self.overflow = Some(Overflow { read: mark(&first), last, more: 0 });
        self.listed.push_back(first);
    }

    pub(super) fn add_noted(&mut self, entry: Entry) {
        self.listed.push_back(entry);
        self.noted += 1;
    }

    /// Adds the next event, with a note of its own or to the rest, and says whether a note is due.
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

    pub(super) fn first(&self) -> Option<&Entry> {
        self.listed.front()
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut Entry> {
        self.listed.front_mut()
    }

    /// The first event of the rest, which its note is about.
    pub(super) fn overflow(&self) -> Option<&Entry> {
        self.overflow.as_ref()?;
        self.listed.get(self.noted)
    }

    /// The event at `position` that is to have a note, and that note's name.
    pub(super) fn to_be_noted(&self, position: Position) -> Option<(Name, &Entry)> {
        let place = self.listed.binary_search_by_key(&position, |entry| entry.position).ok()?;
        Some((self.name(place)?, self.listed.get(place)?))
    }

    /// The name of the note about the event at this place in the list.
    pub(super) fn name(&self, place: usize) -> Option<Name> {
        match place.cmp(&self.noted) {
            Ordering::Less => Some(Name::Parked(self.listed.get(place)?.position)),
            Ordering::Equal => self.overflow.as_ref().map(|_| Name::Overflow),
            Ordering::Greater => None,
        }
    }

    /// What must be read before the first one may go: its place must not be the last one known of,
    /// unless there is none behind it.
    pub(super) fn unread(&self) -> Option<LogRange> {
        let overflow = self.overflow.as_ref().filter(|overflow| !overflow.is_read())?;
        let example = self.listed.front().filter(|_| self.listed.len() == 1)?.clone();
        Some(LogRange { behind: overflow.read, last: overflow.last, example })
    }

    /// What was read of the rest.
    pub(super) fn add_read(&mut self, entries: Vec<Entry>, read: Mark) {
        let Some(overflow) = &mut self.overflow else { return };
        overflow.read = read;
        overflow.more = match overflow.is_read() {
            true => 0,
            false => overflow.more.saturating_sub(entries.len() as u64),
        };
        self.listed.extend(entries);
    }

    /// Takes the first one out. Nothing of the rest may be [unread](Self::unread).
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

    /// Forgets what is behind `position`. Returns the notes that are outdated by that, and their
    /// events.
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

    /// Those that are listed.
    pub(super) fn describe<'a>(&'a self, key: &'a Arc<str>) -> impl Iterator<Item = Parked> + 'a {
        let Counts { listed, more } = self.counts();
        let listed = (0..listed as u64).rev().zip(&self.listed);
        listed.map(move |(behind, entry)| entry.describe(key, behind + more))
    }
}
