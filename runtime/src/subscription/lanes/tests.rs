//! Tests of the lanes, among them one against a model.

use proptest::prelude::*;

use super::*;

fn at(position: u64) -> Spot {
    share(position, 0)
}

fn share(position: u64, share: u32) -> Spot {
    Spot { position: Position::new(position), share }
}

fn lanes_of(events: &[(u64, &str)]) -> Lanes<()> {
    let mut lanes = Lanes::default();
    for (position, key) in events {
        lanes.accept(at(*position), ((*key).into(), vec![]), 10, ());
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
fn nothing_finished_passes_an_unfinished_event() {
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
fn a_suspended_event_blocks_only_its_own_lane_and_goes_first_when_woken() {
    let mut lanes = lanes_of(&[(1, "a"), (2, "a"), (3, "b")]);
    lanes.begin(at(1));
    lanes.suspend(at(1));
    assert_eq!((lanes.next(), lanes.suspended()), (Some(at(3)), 1));
    lanes.wake(at(1));
    assert_eq!((lanes.next(), lanes.suspended()), (Some(at(1)), 0));
}

#[test]
fn an_event_may_be_finished_without_being_handled() {
    let mut lanes = lanes_of(&[(1, "a"), (2, "a")]);
    let finished = lanes.finish(at(1)).map(|(key, ())| key.to_string());
    assert_eq!((finished.as_deref(), lanes.next()), (Some("a"), Some(at(2))));
}

/// The same rules in the simplest form.
#[derive(Default)]
struct Model(Vec<(u64, BTreeSet<u8>, State)>, Vec<u64>);

impl Model {
    fn may_be_handled(&self) -> Vec<u64> {
        let first_of_all = |index: usize| {
            !self.0[..index].iter().any(|event| !event.1.is_disjoint(&self.0[index].1))
        };
        (0..self.0.len())
            .filter(|&index| first_of_all(index) && self.0[index].2 == State::Waits)
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
    /// With the key and the lanes beside it.
    Accept(u8, BTreeSet<u8>),
    Begin,
    Finish(usize),
    Suspend(usize),
    Wake(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8, lanes_beside()).prop_map(|(key, beside)| Step::Accept(key, beside)),
        4 => Just(Step::Begin),
        3 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Suspend),
        1 => any::<usize>().prop_map(Step::Wake),
    ]
}

fn lanes_beside() -> impl Strategy<Value = BTreeSet<u8>> {
    prop_oneof![3 => Just(BTreeSet::new()), 1 => prop::collection::btree_set(0..6u8, 1..3)]
}

fn one_of(positions: &[u64], choice: usize) -> Option<u64> {
    positions.get(choice.checked_rem(positions.len())?).copied()
}

fn take(step: &Step, at_most: u64, lanes: &mut Lanes<()>, model: &mut Model) {
    match *step {
        Step::Accept(key, ref beside) => {
            let lane = |it: &u8| it.to_string().into();
            let others = beside.iter().filter(|it| **it != key);
            lanes.accept(at(at_most), (lane(&key), others.map(lane).collect()), 1, ());
            let all = beside.iter().copied().chain([key]).collect();
            model.0.push((at_most, all, State::Waits));
            model.1.push(at_most);
        }
        Step::Begin => {
            if let Some(position) = lanes.next() {
                lanes.begin(position);
                model.now(position.position.get(), State::Handled);
            }
        }
        Step::Finish(choice) => {
            if let Some(position) = one_of(&model.in_state(State::Handled), choice) {
                lanes.finish(at(position));
                model.0.retain(|event| event.0 != position);
            }
        }
        Step::Suspend(choice) => {
            if let Some(position) = one_of(&model.in_state(State::Handled), choice) {
                lanes.suspend(at(position));
                model.now(position, State::Suspended);
            }
        }
        Step::Wake(choice) => {
            if let Some(position) = one_of(&model.in_state(State::Suspended), choice) {
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
            let free: Vec<_> = lanes.free.iter().map(|spot| spot.position.get()).collect();
            prop_assert_eq!(&free, &model.may_be_handled());
            prop_assert_eq!(lanes.next().map(|spot| spot.position.get()), free.first().copied());
            prop_assert_eq!(first(&lanes), model.0.first().map(|event| event.0));
            let ahead = |first| model.1.iter().filter(|taken| **taken >= first).count() as u64;
            prop_assert_eq!(lanes.ahead(), first(&lanes).map_or(0, ahead));
            prop_assert_eq!(lanes.suspended(), model.in_state(State::Suspended).len());
            prop_assert_eq!((lanes.len(), lanes.bytes()), (model.0.len(), model.0.len()));
        }
    }
}

#[test]
fn an_event_is_finished_when_the_shares_of_all_keys_are() {
    let mut lanes = Lanes::default();
    for (spot, key) in [(at(1), "a"), (share(2, 0), "a"), (share(2, 1), "b"), (at(3), "b")] {
        lanes.accept(spot, (key.into(), vec![]), 10, ());
    }
    lanes.begin(at(1));
    assert_eq!(lanes.next(), Some(share(2, 1)));
    lanes.finish(share(2, 1));
    assert_eq!(lanes.next(), Some(at(3)));
    lanes.finish(at(1));
    lanes.finish(at(3));
    assert_eq!(first(&lanes), Some(2));
    lanes.finish(share(2, 0));
    assert_eq!(first(&lanes), None);
}
