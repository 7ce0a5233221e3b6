//! `RowCache`: the recently used rows of a keyed view.

use std::collections::HashMap;

/// Half of the bytes of rows that are cached, as stored; one batch may need more. In memory a row takes a small
/// multiple of its stored bytes.
const HALF_BYTES: usize = 8 * 1024 * 1024;

/// The overhead of an entry beside its key and row.
const ENTRY_BYTES: usize = 96;

/// The recently used rows, as the commands so far have left them; also those known to be absent.
///
/// It has two halves. A used row moves to the young half. When that is full, the old half is dropped. So a row stays
/// at least until eight megabytes of others were used.
pub(super) struct RowCache<R> {
    young: HashMap<Vec<u8>, Entry<R>>,
    old: HashMap<Vec<u8>, Entry<R>>,
    young_bytes: usize,
}

struct Entry<R> {
    row: Option<R>,
    bytes: usize,
}

impl<R> Default for RowCache<R> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 }
    }
}

impl<R> RowCache<R> {
    /// Returns the row: `Some(None)` if it is known to be absent, `None` if it is not cached.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Option<&R>> {
        if !self.young.contains_key(key) {
            let (key, entry) = self.old.remove_entry(key)?;
            self.young_bytes += entry.bytes;
            self.young.insert(key, entry);
        }
        self.young.get(key).map(|entry| entry.row.as_ref())
    }

    /// Caches a row that takes `row_bytes` when it is stored.
    pub(super) fn put(&mut self, key: Vec<u8>, row: Option<R>, row_bytes: usize) {
        self.old.remove(&key);
        let bytes = key.len() + row_bytes + ENTRY_BYTES;
        self.young_bytes += bytes;
        if let Some(before) = self.young.insert(key, Entry { row, bytes }) {
            self.young_bytes -= before.bytes;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.young_bytes >= HALF_BYTES
    }

    /// Drops rows that were not used recently, if there are too many. Call it only when all of them are stored:
    /// dropped rows are read from the table again.
    pub(super) fn shrink(&mut self) {
        if self.is_full() {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_rows_stay_and_others_are_dropped_within_the_bound() {
        let mut known = RowCache::default();
        let key = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..1_000 {
            known.put(key(number), Some(number), 100_000);
            assert_eq!(known.get(&key(0)), Some(Some(&0)));
            known.shrink();
            assert!(known.young.len() + known.old.len() <= 2 * HALF_BYTES / 100_000 + 1);
        }
        assert_eq!(known.get(&key(1)), None);
    }

    #[test]
    fn a_row_that_is_replaced_counts_once() {
        let mut known = RowCache::default();
        for number in 0..1_000 {
            known.put(vec![1], Some(number), 1_000_000);
        }
        assert!(!known.is_full());
        known.put(vec![1], None, 0);
        assert_eq!(known.get(&[1]), Some(None));
        assert_eq!(known.young_bytes, 1 + ENTRY_BYTES);
    }
}
