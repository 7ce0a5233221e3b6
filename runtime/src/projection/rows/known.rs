use std::collections::HashMap;

/// How many bytes of rows, as stored, are remembered at most: twice this, and what one batch needs.
/// In memory a row takes a small multiple of it.
const HALF_BYTES: usize = 8 * 1024 * 1024;

/// What an entry takes beside its key and row.
const ENTRY_BYTES: usize = 96;

/// The rows used lately, as they are after all that was taken so far; also those known to be absent.
///
/// Two halves: what is used moves to the young one, and when that is full the old one is forgotten.
/// So a row is remembered at least as long as eight megabytes of others.
pub(super) struct Known<R> {
    young: HashMap<Vec<u8>, Entry<R>>,
    old: HashMap<Vec<u8>, Entry<R>>,
    young_bytes: usize,
}

struct Entry<R> {
    row: Option<R>,
    bytes: usize,
}

impl<R> Default for Known<R> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 }
    }
}

impl<R> Known<R> {
    /// The row; `Some(None)` when it is known to be absent, none when nothing is known.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Option<&R>> {
        if !self.young.contains_key(key) {
            let (key, entry) = self.old.remove_entry(key)?;
            self.young_bytes += entry.bytes;
            self.young.insert(key, entry);
        }
        self.young.get(key).map(|entry| entry.row.as_ref())
    }

    /// Remembers a row that takes `row_bytes` when it is stored.
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

    /// Forgets what was not used lately, when it is too much. Only when all of it is stored: what is
    /// forgotten is read from the table again.
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
    fn what_is_used_stays_and_what_is_not_goes_within_the_bound() {
        let mut known = Known::default();
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
        let mut known = Known::default();
        for number in 0..1_000 {
            known.put(vec![1], Some(number), 1_000_000);
        }
        assert!(!known.is_full());
        known.put(vec![1], None, 0);
        assert_eq!(known.get(&[1]), Some(None));
        assert_eq!(known.young_bytes, 1 + ENTRY_BYTES);
    }
}
