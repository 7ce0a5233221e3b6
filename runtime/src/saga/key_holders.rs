//! Which instance has which key, by positions of the log.

use std::collections::{BTreeMap, VecDeque};

use actuarius_domain::Position;
use serde::{Deserialize, Serialize};

use super::shared_map::SharedMap;

/// How many keys are remembered that no instance has any more: only an event that was stored before its key was free,
/// and is handled after, needs to know. Above it such an event may be given a key that it would have been refused.
const RELEASED_KEPT: usize = 16_384;

/// The instances by their keys.
///
/// An instance that has registered a key has it from the position of the event that registered it, to the position of
/// the event with which it ends or begins to compensate. The end that an outcome, a deadline or an operator has caused
/// counts from the position of its step. A key that another instance has at that position is refused.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(super) struct KeyHolders {
    held: SharedMap<Holder>,
    /// Up to where the keys were held that are free now, and the order in which they became free.
    released: BTreeMap<String, Position>,
    order: VecDeque<(String, Position)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Holder {
    id: String,
    since: Position,
}

impl KeyHolders {
    /// Gives a key to an instance from a position on. Returns `false` if the instance has it already, or another
    /// instance has it or had it then.
    pub(super) fn grant(&mut self, key: &str, id: &str, since: Position) -> bool {
        let was_held = self.released.get(key).is_some_and(|until| *until > since);
        if was_held || self.held.contains(key) {
            return false;
        }
        self.held.insert(key, Holder { id: id.to_owned(), since });
        true
    }

    /// Takes a key from its instance at a position.
    pub(super) fn release(&mut self, key: String, until: Position) {
        self.held.remove(&key);
        if self.order.len() == RELEASED_KEPT
            && let Some((oldest, until)) = self.order.pop_front()
            && self.released.get(&oldest) == Some(&until)
        {
            self.released.remove(&oldest);
        }
        self.released.insert(key.clone(), until);
        self.order.push_back((key, until));
    }

    /// Returns the instance that has a key now.
    pub(super) fn holder(&self, key: &str) -> Option<&str> {
        self.held.get(key).map(|holder| holder.id.as_str())
    }

    /// Whether the instance has had a key since before a position.
    pub(super) fn holds(&self, id: &str, key: &str, position: Position) -> bool {
        self.held.get(key).is_some_and(|holder| holder.id == id && holder.since < position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn a_key_is_held_between_two_positions_and_refused_to_others_in_between() {
        let mut keys = KeyHolders::default();
        assert!(keys.grant("k", "a", at(5)));
        assert!(!keys.grant("k", "a", at(6)) && !keys.grant("k", "b", at(6)));
        assert_eq!(keys.holder("k"), Some("a"));
        assert!(keys.holds("a", "k", at(6)) && !keys.holds("a", "k", at(5)));
        assert!(!keys.holds("b", "k", at(6)));
        keys.release("k".to_owned(), at(9));
        assert_eq!(keys.holder("k"), None);
        assert!(!keys.grant("k", "b", at(8)));
        assert!(keys.grant("k", "b", at(9)));
    }

    #[test]
    fn only_the_latest_free_keys_are_remembered() {
        let mut keys = KeyHolders::default();
        for number in 0..=RELEASED_KEPT as u64 {
            keys.grant(&number.to_string(), "a", at(1));
            keys.release(number.to_string(), at(10 + number));
        }
        assert_eq!((keys.released.len(), keys.order.len()), (RELEASED_KEPT, RELEASED_KEPT));
        assert!(keys.grant("0", "b", at(2)) && !keys.grant("1", "b", at(2)));
    }
}
