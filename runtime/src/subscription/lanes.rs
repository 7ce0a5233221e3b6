//! Which event may be handled next, and how far everything is finished: pure, so that no test waits.
//!
//! Events of one key stand in one lane, in the order of the log. Only the first of a lane may be
//! handled, and it keeps its lane shut until it is finished; other lanes do not wait for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use actuarius_domain::Position;

/// Where an event stands in the log, and which share of it: one that has been upcast may have become
/// several, of several keys, and each key has its share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) position: Position,
    pub(super) share: u32,
}

/// The unfinished events of a subscription. Their number is bounded by who fills it.
pub(super) struct Lanes<T> {
    /// In each the first is handled, rests, or is in `free`.
    lanes: HashMap<Arc<str>, VecDeque<Spot>>,
    events: BTreeMap<Spot, Entry<T>>,
    /// The first of their lanes that may be handled now.
    free: BTreeSet<Spot>,
    suspended: usize,
    bytes: usize,
    /// How many were ever taken.
    taken: u64,
}

struct Entry<T> {
    key: Arc<str>,
    /// How many were taken before it.
    number: u64,
    bytes: usize,
    state: State,
    event: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// For those before it, or for a worker.
    Waits,
    Handled,
    /// It has failed, and is not handled until it is woken.
    Suspended,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            events: BTreeMap::new(),
            free: BTreeSet::new(),
            suspended: 0,
            bytes: 0,
            taken: 0,
        }
    }
}

impl<T> Lanes<T> {
    /// Takes an event behind all that were taken before.
    pub(super) fn accept(&mut self, spot: Spot, key: Arc<str>, bytes: usize, event: T) {
        debug_assert!(self.events.last_key_value().is_none_or(|(last, _)| *last < spot));
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.is_empty() {
            self.free.insert(spot);
        }
        lane.push_back(spot);
        self.bytes += bytes;
        let number = self.taken;
        self.taken += 1;
        self.events.insert(spot, Entry { key, number, bytes, state: State::Waits, event });
    }

    /// The lowest event that may be handled now.
    pub(super) fn next(&self) -> Option<Spot> {
        self.free.first().copied()
    }

    /// The event at `spot`, which [`next`](Self::next) gave, is handled from now on.
    pub(super) fn begin(&mut self, spot: Spot) {
        if self.free.remove(&spot)
            && let Some(entry) = self.events.get_mut(&spot)
        {
            entry.state = State::Handled;
        }
    }

    /// The event has failed: it keeps its lane shut, and is not handled until it is woken.
    pub(super) fn suspend(&mut self, spot: Spot) {
        if let Some(entry) = self.events.get_mut(&spot)
            && entry.state == State::Handled
        {
            entry.state = State::Suspended;
            self.suspended += 1;
        }
    }

    /// An event that rests may be handled again.
    pub(super) fn wake(&mut self, spot: Spot) {
        if let Some(entry) = self.events.get_mut(&spot)
            && entry.state == State::Suspended
        {
            entry.state = State::Waits;
            self.suspended -= 1;
            self.free.insert(spot);
        }
    }

    /// The event, the first of its lane, needs nothing more: the next of its key is free.
    pub(super) fn finish(&mut self, spot: Spot) -> Option<(Arc<str>, T)> {
        let entry = self.events.remove(&spot)?;
        self.bytes -= entry.bytes;
        self.suspended -= usize::from(entry.state == State::Suspended);
        self.free.remove(&spot);
        if let Some(lane) = self.lanes.get_mut(&entry.key) {
            debug_assert_eq!(lane.front(), Some(&spot));
            lane.pop_front();
            match lane.front() {
                Some(next) => drop(self.free.insert(*next)),
                None => drop(self.lanes.remove(&entry.key)),
            }
        }
        Some((entry.key, entry.event))
    }

    /// The lowest unfinished event: everything before it is finished.
    pub(super) fn first(&self) -> Option<(Position, &T)> {
        self.events.first_key_value().map(|(spot, entry)| (spot.position, &entry.event))
    }

    /// How many were taken from the lowest unfinished one on: that many come again after a crash.
    pub(super) fn ahead(&self) -> u64 {
        self.events.first_key_value().map_or(0, |(_, first)| self.taken - first.number)
    }

    pub(super) fn key(&self, spot: Spot) -> Option<&Arc<str>> {
        self.events.get(&spot).map(|entry| &entry.key)
    }

    pub(super) fn get_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.events.get_mut(&spot).map(|entry| &mut entry.event)
    }

    /// The events that rest and keep their lanes shut.
    pub(super) fn suspended(&self) -> usize {
        self.suspended
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
