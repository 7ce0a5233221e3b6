//! A bounded map that evicts entries which were not used recently.
//!
//! It has two generations. Used entries are in the young one. When that is full, it replaces the old one,
//! whose entries are evicted. So there is no list to keep in order, and a lookup is one or two hash
//! lookups.

use std::collections::HashMap;
use std::hash::Hash;

type Generation<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A bounded map of recently used entries.
pub(crate) struct Cache<K, V> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    young_max: usize,
}

impl<K: Eq + Hash + Copy, V: Clone> Cache<K, V> {
    /// Creates a cache of between `half` and twice as many entries.
    pub(crate) fn new(half: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), young_max: half }
    }

    pub(crate) fn get(&mut self, key: K) -> Option<V> {
        self.get_or_insert_with(key, || Err(())).ok().cloned()
    }

    /// Returns a value to change, or inserts it first if there is none.
    pub(crate) fn get_or_insert_with<E>(
        &mut self,
        key: K,
        value: impl FnOnce() -> Result<V, E>,
    ) -> Result<&mut V, E> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).map_or_else(value, Ok)?;
            self.insert(key, value);
        }
        Ok(self.young.get_mut(&key).expect("it was there, or was just inserted"))
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
    fn used_entries_stay_and_others_are_evicted() {
        let mut map = Cache::new(4);
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
        let mut map = Cache::new(2);
        for (key, value) in [(1, 1), (2, 1), (3, 1), (1, 2), (4, 1), (5, 1)] {
            map.insert(key, value);
        }
        assert_ne!(map.get(1), Some(1));
    }
}
