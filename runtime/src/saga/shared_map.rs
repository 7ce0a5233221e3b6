//! `SharedMap`: a map by id that is copied at once, because a copy shares its parts until they change.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// How many parts a map has: many enough that copying one of a million entries takes a millisecond, few enough that
/// looking at all of them takes microseconds.
pub(super) const PARTS: usize = 256;

/// Returns the part of an id.
pub(super) fn part_of(id: &str, parts: usize) -> usize {
    // A remainder fits.
    (xxh3_64(id.as_bytes()) % parts.max(1) as u64) as usize
}

/// A map by id.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SharedMap<V> {
    parts: Vec<Arc<BTreeMap<String, V>>>,
    len: usize,
}

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Arc::default()).collect(), len: 0 }
    }
}

impl<V: Clone> SharedMap<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, id: &str) -> Option<&V> {
        self.parts[part_of(id, self.parts.len())].get(id)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.get(id).is_some()
    }

    /// Returns the entry of an id, and inserts it before if there is none.
    pub(super) fn get_or_insert_with(&mut self, id: &str, new: impl FnOnce() -> V) -> &mut V {
        let part = part_of(id, self.parts.len());
        if !self.parts[part].contains_key(id) {
            self.insert(id, new());
        }
        // It was inserted just now.
        Arc::make_mut(&mut self.parts[part]).get_mut(id).expect("it was inserted")
    }

    pub(super) fn insert(&mut self, id: &str, value: V) {
        let part = part_of(id, self.parts.len());
        let before = Arc::make_mut(&mut self.parts[part]).insert(id.to_owned(), value);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<V> {
        if !self.contains(id) {
            return None;
        }
        let part = part_of(id, self.parts.len());
        let removed = Arc::make_mut(&mut self.parts[part]).remove(id);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Returns all entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.parts.iter().flat_map(|part| part.iter()).map(|(id, value)| (id.as_str(), value))
    }

    /// Returns the entries after the id `after`, in the order of their ids.
    pub(super) fn after<'a>(&'a self, after: &str) -> impl Iterator<Item = (&'a str, &'a V)> + 'a {
        let rest =
            |part: &'a BTreeMap<String, V>| part.range::<str, _>((Excluded(after), Unbounded));
        let mut parts: Vec<_> = self.parts.iter().map(|part| rest(part)).collect();
        // The entry that comes next in each part.
        let mut firsts: Vec<_> = parts.iter_mut().map(Iterator::next).collect();
        let first_ids = firsts.iter().enumerate();
        let first_ids =
            first_ids.filter_map(|(part, first)| first.map(|(id, _)| Reverse((id.as_str(), part))));
        let mut next: BinaryHeap<_> = first_ids.collect();
        std::iter::from_fn(move || {
            let mut least = next.peek_mut()?;
            let part = least.0.1;
            let entry = std::mem::replace(&mut firsts[part], parts[part].next());
            match firsts[part] {
                Some((id, _)) => *least = Reverse((id.as_str(), part)),
                None => drop(PeekMut::pop(least)),
            }
            entry.map(|(id, value)| (id.as_str(), value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was_and_shares_what_has_not_changed() {
        let mut map = SharedMap::default();
        (0..1_000_u32).for_each(|number| map.insert(&format!("{number:04}"), number));
        let copy = map.clone();
        *map.get_or_insert_with("0007", || 0) = 70;
        assert_eq!((map.remove("0008"), map.remove("0008"), map.len()), (Some(8), None, 999));
        assert_eq!((copy.get("0007"), copy.get("0008"), copy.len()), (Some(&7), Some(&8), 1_000));
        assert_eq!((map.get("0007"), map.contains("0008")), (Some(&70), false));
        let shared = map.parts.iter().zip(&copy.parts).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert!(shared.count() >= PARTS - 2);
    }

    #[test]
    fn entries_are_listed_in_the_order_of_their_ids_from_any_id_on() {
        let mut map = SharedMap::default();
        (0..1_000_u32).rev().for_each(|number| map.insert(&format!("{number:04}"), number));
        for after in ["", "0000", "0499", "0499x", "0998", "0999", "1"] {
            let expected: Vec<u32> =
                (0..1_000).filter(|number| *format!("{number:04}") > *after).collect();
            let found: Vec<u32> = map.after(after).map(|(_, number)| *number).collect();
            assert_eq!(found, expected, "{after}");
        }
        assert_eq!(map.iter().count(), 1_000);
    }
}
