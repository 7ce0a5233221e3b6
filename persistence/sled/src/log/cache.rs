//! A bounded map that forgets what has not been used lately.
//!
//! Two generations: what is used is in the young one; when that is full it becomes the old one, and
//! the old one is forgotten. No list to keep in order, and a lookup is one or two hash lookups.

use std::collections::HashMap;
use std::hash::Hash;

pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_max: usize,
}

impl<K: Eq + Hash + Copy, V: Clone> Generations<K, V> {
    /// Remembers between `half` and twice as many.
    pub(crate) fn new(half: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_max: half }
    }

    pub(crate) fn get(&mut self, key: K) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.young_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_remembered_and_the_rest_forgotten() {
        let mut map = Generations::new(4);
        for key in 0..100 {
            map.insert(key, key);
            assert_eq!(map.get(0), Some(0), "used all the time");
            assert!(map.young.len() <= 4 && map.old.len() <= 4);
        }
        assert_eq!(map.get(99), Some(99));
        assert_eq!(map.get(50), None);
    }

    #[test]
    fn the_newest_value_counts() {
        let mut map = Generations::new(2);
        for (key, value) in [(1, 1), (2, 1), (3, 1), (1, 2), (4, 1), (5, 1)] {
            map.insert(key, value);
        }
        assert_ne!(map.get(1), Some(1));
    }
}
