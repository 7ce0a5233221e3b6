//! Which event may be handled next, and up to where everything is finished: pure, so that tests need not
//! wait.
//!
//! Events of one key are in one lane, in the order of the log. Only the first of a lane may be handled, and
//! it blocks its lane until it is finished; other lanes continue. An event may be in further lanes beside that of its
//! key: it is handled once it is the first in each of them, and blocks all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use actuarius_domain::Position;

/// The position of an event, and a share of it. A stored event may be upcast to several events of several
/// keys, and each key has its share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) position: Position,
    pub(super) share: u32,
}

/// The unfinished events of a subscription. The caller bounds their number.
pub(super) struct Lanes<T> {
    /// In each lane the first is handled, suspended, or in `free`.
    lanes: HashMap<Arc<str>, VecDeque<Spot>>,
    events: BTreeMap<Spot, Entry<T>>,
    /// The first events of their lanes that may be handled now.
    free: BTreeSet<Spot>,
    suspended: usize,
    bytes: usize,
    /// How many events were ever taken.
    taken: u64,
}

struct Entry<T> {
    key: Arc<str>,
    /// The further lanes.
    beside: Vec<Arc<str>>,
    /// In how many lanes others are before it.
    behind: usize,
    /// How many events were taken before it.
    number: u64,
    bytes: usize,
    state: State,
    event: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for the events before it, or for a worker.
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
    /// Takes an event that comes after all that were taken before, with its key and the lanes that it is in beside
    /// that of the key, each once.
    pub(super) fn accept(
        &mut self,
        spot: Spot,
        (key, beside): (Arc<str>, Vec<Arc<str>>),
        bytes: usize,
        event: T,
    ) {
        debug_assert!(self.events.last_key_value().is_none_or(|(last, _)| *last < spot));
        let mut behind = 0;
        for lane in [&key].into_iter().chain(&beside) {
            let lane = self.lanes.entry(lane.clone()).or_default();
            behind += usize::from(!lane.is_empty());
            lane.push_back(spot);
        }
        if behind == 0 {
            self.free.insert(spot);
        }
        self.bytes += bytes;
        let number = self.taken;
        self.taken += 1;
        let state = State::Waits;
        self.events.insert(spot, Entry { key, beside, behind, number, bytes, state, event });
    }

    /// Returns the keys of the unfinished events in a lane.
    pub(super) fn keys_in(&self, lane: &str) -> impl Iterator<Item = &Arc<str>> {
        let spots = self.lanes.get(lane).into_iter().flatten();
        spots.filter_map(|spot| self.key(*spot))
    }

    /// Returns the lowest event that may be handled now.
    pub(super) fn next(&self) -> Option<Spot> {
        self.free.first().copied()
    }

    /// Marks the event at `spot`, which [`next`](Self::next) returned, as being handled.
    pub(super) fn begin(&mut self, spot: Spot) {
        if self.free.remove(&spot)
            && let Some(entry) = self.events.get_mut(&spot)
        {
            entry.state = State::Handled;
        }
    }

    /// Suspends an event that has failed: it blocks its lane, and is not handled until it is woken.
    pub(super) fn suspend(&mut self, spot: Spot) {
        if let Some(entry) = self.events.get_mut(&spot)
            && entry.state == State::Handled
        {
            entry.state = State::Suspended;
            self.suspended += 1;
        }
    }

    /// Lets a suspended event be handled again.
    pub(super) fn wake(&mut self, spot: Spot) {
        if let Some(entry) = self.events.get_mut(&spot)
            && entry.state == State::Suspended
        {
            entry.state = State::Waits;
            self.suspended -= 1;
            self.free.insert(spot);
        }
    }

    /// Removes a finished event, the first of its lanes: the next of each may be free.
    pub(super) fn finish(&mut self, spot: Spot) -> Option<(Arc<str>, T)> {
        let entry = self.events.remove(&spot)?;
        self.bytes -= entry.bytes;
        self.suspended -= usize::from(entry.state == State::Suspended);
        self.free.remove(&spot);
        for lane in [&entry.key].into_iter().chain(&entry.beside) {
            self.leave(lane, spot);
        }
        Some((entry.key, entry.event))
    }

    /// Removes the first event of a lane from it.
    fn leave(&mut self, key: &Arc<str>, spot: Spot) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        debug_assert_eq!(lane.front(), Some(&spot));
        lane.pop_front();
        let Some(next) = lane.front().copied() else {
            self.lanes.remove(key);
            return;
        };
        if let Some(entry) = self.events.get_mut(&next) {
            entry.behind -= 1;
            if entry.behind == 0 {
                self.free.insert(next);
            }
        }
    }

    /// Returns the lowest unfinished event: everything before it is finished.
    pub(super) fn first(&self) -> Option<(Position, &T)> {
        self.events.first_key_value().map(|(spot, entry)| (spot.position, &entry.event))
    }

    /// How many events were taken from the lowest unfinished one on: these are handled again after a crash.
    pub(super) fn ahead(&self) -> u64 {
        self.events.first_key_value().map_or(0, |(_, first)| self.taken - first.number)
    }

    pub(super) fn key(&self, spot: Spot) -> Option<&Arc<str>> {
        self.events.get(&spot).map(|entry| &entry.key)
    }

    pub(super) fn get_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.events.get_mut(&spot).map(|entry| &mut entry.event)
    }

    /// Returns all unfinished events.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut T> {
        self.events.values_mut().map(|entry| &mut entry.event)
    }

    /// How many events are suspended and block their lanes.
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
