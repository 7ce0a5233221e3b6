//! Groups: changes that are stored with one sync.

use sled::{Db, IVec};

use super::accounting::{self, Leaf, WRITTEN_MAX};
use super::damage;
#[cfg(all(test, target_os = "linux"))]
use super::measuring;

/// Changes that are stored with one sync. A later change of a key replaces an earlier one.
#[derive(Default)]
pub(crate) struct Group {
    changes: Vec<(IVec, Option<IVec>)>,
    atomicity: Atomicity,
    /// What sled writes for them at most.
    written: usize,
    /// The leaf of the last change.
    leaf: Option<Leaf>,
}

/// What a power cut before the sync leaves of a group.
#[derive(Default, PartialEq)]
enum Atomicity {
    /// All of its changes, or none.
    #[default]
    All,
    /// Any number of its first changes. sled reads its log up to the first tear, and each of these changes is in the log
    /// before the next one is made.
    First,
}

impl Group {
    /// Creates a group whose first changes are right without the later ones, in any number. This is cheaper: sled holds
    /// a lock of the whole process during a batch, and makes its changes in any order.
    pub(crate) fn of_first_changes() -> Self {
        Self { atomicity: Atomicity::First, ..Self::default() }
    }

    /// From now on, all changes are stored or none.
    pub(crate) fn keep_together(&mut self) {
        self.atomicity = Atomicity::All;
    }

    /// Puts a value whose key follows the keys that were put before.
    pub(crate) fn put_in_order(&mut self, key: &[u8], value: Vec<u8>) {
        self.written += accounting::in_order(key.len(), value.len());
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Puts a value among others.
    pub(crate) fn put(&mut self, db: &Db, key: &[u8], value: Vec<u8>) {
        self.count(db, key, value.len());
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes a value among others.
    pub(crate) fn remove(&mut self, db: &Db, key: &[u8]) {
        self.count(db, key, 0);
        self.changes.push((key.into(), None));
    }

    /// Removes a part of a large value, next to one that was removed before.
    pub(crate) fn remove_part(&mut self, key: &[u8]) {
        self.written += accounting::removed_part(key.len());
        self.changes.push((key.into(), None));
    }

    /// Adds the changes of another group, so that all are stored together.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.keep_together();
        self.changes.append(&mut other.changes);
        self.written += other.written;
        self.leaf = other.leaf.take();
    }

    /// Returns what sled writes for a change of `key` in addition.
    pub(crate) fn cost(&mut self, db: &Db, key: &[u8], value: usize) -> usize {
        self.leaf(db, key).next_change(key.len(), value)
    }

    /// Returns whether `key` can be changed. A change in a page that cannot be read makes the group fail.
    pub(crate) fn is_writable(&mut self, db: &Db, key: &[u8]) -> bool {
        self.leaf(db, key).is_readable
    }

    fn count(&mut self, db: &Db, key: &[u8], value: usize) {
        self.written += self.cost(db, key, value);
        self.leaf(db, key).changed();
    }

    fn leaf(&mut self, db: &Db, key: &[u8]) -> &mut Leaf {
        let known = self.leaf.take().filter(|leaf| leaf.contains(key));
        self.leaf.insert(known.unwrap_or_else(|| Leaf::around(db, key)))
    }

    /// Returns whether all keys can be changed.
    pub(super) fn is_possible(&self, db: &Db) -> bool {
        self.changes.iter().all(|(key, _)| damage::is_readable(db, key))
    }

    /// Makes all changes. Making them again changes nothing. If it fails, some may have been made, each by itself.
    pub(super) fn apply(&self, db: &Db) -> sled::Result<()> {
        // A single change needs no batch, which would cost sled one more write to disk.
        if self.atomicity == Atomicity::First || self.changes.len() == 1 {
            return self.apply_in_order(db);
        }
        let mut batch = sled::Batch::default();
        for (key, value) in &self.changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        db.apply_batch(batch)
    }

    fn apply_in_order(&self, db: &Db) -> sled::Result<()> {
        for (key, value) in &self.changes {
            #[cfg(all(test, target_os = "linux"))]
            if measuring::is_cut() {
                continue;
            }
            match value {
                Some(value) => db.insert(key, value)?,
                None => db.remove(key)?,
            };
        }
        Ok(())
    }

    /// Returns what sled writes for all changes at most.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns whether changes fit for which sled writes `written` bytes.
    pub(crate) fn has_room(&self, written: usize) -> bool {
        self.written + written <= WRITTEN_MAX
    }
}
