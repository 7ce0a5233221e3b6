//! Which event may be handled next, and how far everything is finished: pure, so that no test waits.
//!
//! Events of one key stand in one lane, in the order of the log. Only the first of a lane may be
//! handled, and it keeps its lane shut until it is finished; other lanes do not wait for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use actuarius_domain::Position;

/// The unfinished events of a subscription. Their number is bounded by who fills it.
pub(super) struct Lanes<T> {
    /// In each the first is handled, rests, or is in `free`.
    lanes: HashMap<Arc<str>, VecDeque<Position>>,
    events: BTreeMap<Position, Entry<T>>,
    /// The first of their lanes that may be handled now.
    free: BTreeSet<Position>,
    resting: usize,
    bytes: usize,
}

struct Entry<T> {
    key: Arc<str>,
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
    Rests,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            events: BTreeMap::new(),
            free: BTreeSet::new(),
            resting: 0,
            bytes: 0,
        }
    }
}

impl<T> Lanes<T> {
    /// Takes an event behind all that were taken before.
    pub(super) fn accept(&mut self, position: Position, key: Arc<str>, bytes: usize, event: T) {
        debug_assert!(self.events.last_key_value().is_none_or(|(last, _)| *last < position));
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.is_empty() {
            self.free.insert(position);
        }
        lane.push_back(position);
        self.bytes += bytes;
        self.events.insert(position, Entry { key, bytes, state: State::Waits, event });
    }

    /// The lowest event that may be handled now.
    pub(super) fn next(&self) -> Option<Position> {
        self.free.first().copied()
    }

    /// The event at `position`, which [`next`](Self::next) gave, is handled from now on.
    pub(super) fn begin(&mut self, position: Position) {
        if self.free.remove(&position)
            && let Some(entry) = self.events.get_mut(&position)
        {
            entry.state = State::Handled;
        }
    }

    /// The event has failed: it keeps its lane shut, and is not handled until it is woken.
    pub(super) fn rest(&mut self, position: Position) {
        if let Some(entry) = self.events.get_mut(&position)
            && entry.state == State::Handled
        {
            entry.state = State::Rests;
            self.resting += 1;
        }
    }

    /// An event that rests may be handled again.
    pub(super) fn wake(&mut self, position: Position) {
        if let Some(entry) = self.events.get_mut(&position)
            && entry.state == State::Rests
        {
            entry.state = State::Waits;
            self.resting -= 1;
            self.free.insert(position);
        }
    }

    /// The event, the first of its lane, needs nothing more: the next of its key is free.
    pub(super) fn finish(&mut self, position: Position) -> Option<(Arc<str>, T)> {
        let entry = self.events.remove(&position)?;
        self.bytes -= entry.bytes;
        self.resting -= usize::from(entry.state == State::Rests);
        self.free.remove(&position);
        if let Some(lane) = self.lanes.get_mut(&entry.key) {
            debug_assert_eq!(lane.front(), Some(&position));
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
        self.events.first_key_value().map(|(position, entry)| (*position, &entry.event))
    }

    pub(super) fn key(&self, position: Position) -> Option<&Arc<str>> {
        self.events.get(&position).map(|entry| &entry.key)
    }

    pub(super) fn get_mut(&mut self, position: Position) -> Option<&mut T> {
        self.events.get_mut(&position).map(|entry| &mut entry.event)
    }

    /// The events that rest and keep their lanes shut.
    pub(super) fn resting(&self) -> usize {
        self.resting
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    fn lanes_of(events: &[(u64, &str)]) -> Lanes<()> {
        let mut lanes = Lanes::default();
        for (position, key) in events {
            lanes.accept(at(*position), (*key).into(), 10, ());
        }
        lanes
    }

    fn first(lanes: &Lanes<()>) -> Option<u64> {
        lanes.first().map(|(position, ())| position.get())
    }

    #[test]
    fn events_of_one_key_are_handled_one_after_the_other_and_other_keys_beside_them() {
        let mut lanes = lanes_of(&[(1, "a"), (2, "a"), (3, "b")]);
        assert_eq!(lanes.next(), Some(at(1)));
        lanes.begin(at(1));
        assert_eq!(lanes.next(), Some(at(3)));
        lanes.begin(at(3));
        assert_eq!(lanes.next(), None);
        lanes.finish(at(1));
        assert_eq!(lanes.next(), Some(at(2)));
    }

    #[test]
    fn what_is_finished_never_passes_an_unfinished_event() {
        let mut lanes = lanes_of(&[(1, "a"), (2, "b"), (3, "c")]);
        for position in 1..=3 {
            lanes.begin(at(position));
        }
        lanes.finish(at(3));
        lanes.finish(at(2));
        assert_eq!((first(&lanes), lanes.len(), lanes.bytes()), (Some(1), 1, 10));
        lanes.finish(at(1));
        assert_eq!((first(&lanes), lanes.len(), lanes.bytes()), (None, 0, 0));
    }

    #[test]
    fn an_event_that_rests_holds_its_own_lane_only_and_goes_first_when_woken() {
        let mut lanes = lanes_of(&[(1, "a"), (2, "a"), (3, "b")]);
        lanes.begin(at(1));
        lanes.rest(at(1));
        assert_eq!((lanes.next(), lanes.resting()), (Some(at(3)), 1));
        lanes.wake(at(1));
        assert_eq!((lanes.next(), lanes.resting()), (Some(at(1)), 0));
    }

    #[test]
    fn an_event_may_be_finished_without_being_handled() {
        let mut lanes = lanes_of(&[(1, "a"), (2, "a")]);
        let finished = lanes.finish(at(1)).map(|(key, ())| key.to_string());
        assert_eq!((finished.as_deref(), lanes.next()), (Some("a"), Some(at(2))));
    }

    /// The same promises, said as slowly and plainly as possible.
    #[derive(Default)]
    struct Model(Vec<(u64, u8, State)>);

    impl Model {
        fn may_be_handled(&self) -> Vec<u64> {
            let first_of_key =
                |index: usize| !self.0[..index].iter().any(|event| event.1 == self.0[index].1);
            (0..self.0.len())
                .filter(|&index| first_of_key(index) && self.0[index].2 == State::Waits)
                .map(|index| self.0[index].0)
                .collect()
        }

        fn in_state(&self, wanted: State) -> Vec<u64> {
            self.0.iter().filter(|event| event.2 == wanted).map(|event| event.0).collect()
        }

        fn now(&mut self, position: u64, state: State) {
            self.0.iter_mut().filter(|event| event.0 == position).for_each(|event| event.2 = state);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Accept(u8),
        Begin,
        Finish(usize),
        Rest(usize),
        Wake(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4u8).prop_map(Step::Accept),
            4 => Just(Step::Begin),
            3 => any::<usize>().prop_map(Step::Finish),
            1 => any::<usize>().prop_map(Step::Rest),
            1 => any::<usize>().prop_map(Step::Wake),
        ]
    }

    fn one_of(positions: &[u64], choice: usize) -> Option<u64> {
        positions.get(choice.checked_rem(positions.len())?).copied()
    }

    fn take(step: &Step, at_most: u64, lanes: &mut Lanes<()>, model: &mut Model) {
        match *step {
            Step::Accept(key) => {
                lanes.accept(at(at_most), key.to_string().into(), 1, ());
                model.0.push((at_most, key, State::Waits));
            }
            Step::Begin => {
                if let Some(position) = lanes.next() {
                    lanes.begin(position);
                    model.now(position.get(), State::Handled);
                }
            }
            Step::Finish(choice) => {
                if let Some(position) = one_of(&model.in_state(State::Handled), choice) {
                    lanes.finish(at(position));
                    model.0.retain(|event| event.0 != position);
                }
            }
            Step::Rest(choice) => {
                if let Some(position) = one_of(&model.in_state(State::Handled), choice) {
                    lanes.rest(at(position));
                    model.now(position, State::Rests);
                }
            }
            Step::Wake(choice) => {
                if let Some(position) = one_of(&model.in_state(State::Rests), choice) {
                    lanes.wake(at(position));
                    model.now(position, State::Waits);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn lanes_do_what_the_model_does(steps in prop::collection::vec(step(), 0..200)) {
            let (mut lanes, mut model) = (Lanes::default(), Model::default());
            for (number, step) in steps.iter().enumerate() {
                take(step, number as u64 + 1, &mut lanes, &mut model);
                let free: Vec<_> = lanes.free.iter().map(|position| position.get()).collect();
                prop_assert_eq!(&free, &model.may_be_handled());
                prop_assert_eq!(lanes.next().map(Position::get), free.first().copied());
                prop_assert_eq!(first(&lanes), model.0.first().map(|event| event.0));
                prop_assert_eq!(lanes.resting(), model.in_state(State::Rests).len());
                prop_assert_eq!((lanes.len(), lanes.bytes()), (model.0.len(), model.0.len()));
            }
        }
    }
}
