//! A model of a subscription, with power cuts between any two sets of notes: no event is left out, none
//! overtakes another of its key, and a skipped event is never handled.

mod step;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use step::{Step, step};

/// The key whose events are never parked; while one of them is being handled, nothing is passed.
const SLOW: u8 = 0;
const KEYS: u8 = 3;

struct World {
    /// The key of each event, the first at position 1.
    log: Vec<u8>,
    disk: Disk,
    parked: ParkedEvents,
    taken: u64,
    slow: BTreeSet<u64>,
    /// What was handled at any time; and the last by key, with the number of the run.
    done: BTreeSet<u64>,
    last: BTreeMap<u8, (u32, u64)>,
    life: u32,
    /// Skipped and reported; and skipped, not reported yet.
    skipped: BTreeSet<u64>,
    skipping: BTreeSet<u64>,
    /// What was skipped at any time, reported or not.
    ever_skipped: BTreeSet<u64>,
}

impl World {
    fn with(log: Vec<u8>) -> Self {
        let (mut parked, mut disk) = (ParkedEvents::new(&checkpoint(0)), Disk::default());
        disk.store_all(&mut parked, checkpoint(0));
        let mut world = Self {
            log,
            disk,
            parked,
            taken: 0,
            slow: BTreeSet::new(),
            done: BTreeSet::new(),
            last: BTreeMap::new(),
            life: 0,
            skipped: BTreeSet::new(),
            skipping: BTreeSet::new(),
            ever_skipped: BTreeSet::new(),
        };
        world.begin();
        world
    }

    /// Begins a run with what is stored.
    fn begin(&mut self) {
        let (parked, checkpoint) = self.disk.found();
        self.parked = parked;
        self.parked.bounds = Bounds { keys: 10, listed_of_key: 2, listed: 5, changes: 1 };
        self.taken = checkpoint.mark.position.get();
        self.slow.clear();
        self.skipping.clear();
        self.life += 1;
        while self.parked.has_outdated() || self.disk.checkpoint().unwrap().resetting {
            self.store(self.taken);
        }
    }

    fn key(&self, position: u64) -> u8 {
        self.log[position as usize - 1]
    }

    fn target(&self) -> u64 {
        self.slow.first().map_or(self.taken, |first| first - 1)
    }

    fn store(&mut self, target: u64) {
        self.disk.store(&self.parked.take_notes("mailer", checkpoint(target)).0);
        if !self.parked.has_outdated() {
            self.skipped.append(&mut self.skipping);
        }
    }

    fn of(&self, key: u8) -> impl Iterator<Item = u64> {
        (1..=self.log.len() as u64).filter(move |position| self.key(*position) == key)
    }

    /// A run handles the events of a key in order, and begins with one that is due or was handled before.
    fn handle(&mut self, position: u64) {
        assert!(!self.skipped.contains(&position), "{position} was skipped");
        let key = self.key(position);
        let before = self.of(key).filter(|it| *it < position && !self.ever_skipped.contains(it));
        let overtaken: Vec<_> = match self.last.get(&key) {
            Some((life, last)) if *life == self.life => {
                assert!(*last < position, "{last} before {position} in one life");
                before.filter(|it| it > last).collect()
            }
            _ => before.filter(|it| !self.done.contains(it)).collect(),
        };
        assert!(overtaken.is_empty(), "{position} overtakes {overtaken:?}");
        self.done.insert(position);
        self.last.insert(key, (self.life, position));
    }

    fn come(&mut self, fails: bool) {
        if self.taken >= self.log.len() as u64 {
            return;
        }
        self.taken += 1;
        let position = self.taken;
        let key: Arc<str> = self.key(position).to_string().into();
        if self.parked.has_skipped(at(position), &key) {
            return;
        }
        if self.key(position) == SLOW {
            self.slow.insert(position);
        } else if fails || self.parked.holds(&key) {
            self.parked.park(&key, entry(position));
        } else {
            self.handle(position);
        }
    }

    /// Finds one event at most at a time, and adds places without one, too.
    fn read(&mut self, key: u8) {
        let name: Arc<str> = key.to_string().into();
        while let Some(range) = self.parked.unread(&name) {
            let read = range.after.position.get() + 1;
            let found = (self.key(read) == key).then(|| entry(read));
            self.parked.add_read(&name, found.into_iter().collect(), Mark::at(at(read)));
        }
    }

    fn retry(&mut self, key: u8, fails: bool) -> bool {
        self.read(key);
        let name: Arc<str> = key.to_string().into();
        let Some(position) = self.parked.first(&name).map(|it| it.position.get()) else {
            return false;
        };
        if fails {
            self.parked.first_failed(&name, "again");
        } else {
            self.handle(position);
            self.parked.remove_first(&name);
        }
        true
    }

    fn skip(&mut self, key: u8) {
        self.read(key);
        if let Some(entry) = self.parked.skip_first(&key.to_string().into()) {
            self.skipping.insert(entry.position.get());
            self.ever_skipped.insert(entry.position.get());
        }
    }

    /// Resets to some place, unless the power fails before all sets are stored.
    fn reset(&mut self, choice: usize, sets: usize) {
        // Further ahead, events would be left out: that is what such a reset is for.
        let place = choice as u64 % (self.target() + 1);
        self.parked.discard_after(at(place));
        for skipped in [&mut self.skipped, &mut self.skipping, &mut self.ever_skipped] {
            skipped.retain(|position| *position <= place);
        }
        self.slow.clear();
        self.taken = place;
        for _ in 0..sets {
            self.disk.store(&self.parked.take_notes("mailer", checkpoint(place)).0);
        }
        if self.disk.checkpoint() != Some(checkpoint(place)) || self.parked.has_outdated() {
            // The reset is interrupted: no caller got a result.
            return self.begin();
        }
        self.skipped.append(&mut self.skipping);
        self.life += 1;
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Come { fails } => self.come(fails),
            Step::FinishSlow => {
                if let Some(position) = self.slow.pop_first() {
                    self.handle(position);
                }
            }
            Step::Retry { key, fails } => drop(self.retry(key, fails)),
            Step::Skip(key) => self.skip(key),
            Step::Store => self.store(self.target()),
            Step::CutPower => self.begin(),
            Step::Reset { choice, sets } => self.reset(choice, sets),
        }
    }

    /// Does everything that is left to do.
    fn finish(&mut self) {
        while self.taken < self.log.len() as u64 {
            self.come(false);
        }
        while let Some(position) = self.slow.pop_first() {
            self.handle(position);
        }
        for key in 1..KEYS {
            while self.retry(key, false) {}
        }
        self.disk.store_all(&mut self.parked, checkpoint(self.taken));
    }

    /// Nothing is left to do for the key: each event was handled or skipped, the last one last.
    fn check(&self, key: u8) {
        let due: Vec<_> = self.of(key).filter(|it| !self.ever_skipped.contains(it)).collect();
        let missing: Vec<_> = due.iter().filter(|it| !self.done.contains(it)).collect();
        assert!(missing.is_empty(), "{missing:?} were never handled");
        let last = self.last.get(&key).map(|(_, position)| *position);
        let last = last.filter(|it| !self.ever_skipped.contains(it));
        assert!(last.is_none() || last == due.last().copied(), "the last was {last:?} of {due:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn no_event_is_left_out_or_overtaken_whenever_the_power_fails(
        log in prop::collection::vec(0..KEYS, 1..40),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::with(log);
        steps.iter().for_each(|step| world.take(step));
        world.finish();
        (0..KEYS).for_each(|key| world.check(key));
        prop_assert!(world.disk.names().is_empty(), "{:?}", world.disk.names());
    }
}
