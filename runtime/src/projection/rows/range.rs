//! A range of keys, as bytes.

use std::ops::{Bound, RangeBounds};

use super::key::{KeyBytes, bytes};
use super::secondary::{KEPT_BYTES, kept};

/// A range of keys, as bytes: from `from`, included, to `to`, excluded.
#[derive(Clone, Default)]
pub(super) struct Span {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Span {
    /// The keys that start with `prefix`.
    pub(super) fn starting_with(prefix: Vec<u8>) -> Self {
        Self { to: end_of(&prefix), from: prefix }
    }

    /// The keys that start with `prefix`, followed by a value in the range.
    pub(super) fn of<K: KeyBytes>(prefix: &[u8], range: &impl RangeBounds<K>) -> Self {
        let all = Self::starting_with(prefix.to_vec());
        let place = |key: &K| [prefix, &bytes(key)].concat();
        let from = match range.start_bound() {
            Bound::Unbounded => all.from,
            Bound::Included(key) => place(key),
            Bound::Excluded(key) => after_all(place(key)),
        };
        let to = match range.end_bound() {
            Bound::Unbounded => all.to,
            Bound::Included(key) => end_of(&place(key)),
            Bound::Excluded(key) => Some(place(key)),
        };
        Self { from, to }
    }

    /// Returns the keys that are in both.
    pub(super) fn and(self, other: Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { from: self.from.max(other.from), to }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.from[..] <= *key && self.to.as_ref().is_none_or(|to| key < &to[..])
    }

    /// Returns the range of the entries of all secondary keys of this span. It may have entries of other keys that
    /// agree in their kept bytes.
    pub(super) fn entries(&self) -> Self {
        let to = match &self.to {
            Some(to) if to.len() > KEPT_BYTES => end_of(kept(to)),
            to => to.clone(),
        };
        Self { from: kept(&self.from).to_vec(), to }
    }

    /// Returns the keys after exactly this one, in the direction of reading.
    pub(super) fn after(self, key: &[u8], descending: bool) -> Self {
        let mut rest = Self::default();
        if descending {
            rest.to = Some(key.to_vec());
        } else {
            rest.from = [key, &[0]].concat();
        }
        self.and(rest)
    }

    /// Returns where it begins and ends; the end is empty if it has none.
    pub(super) fn ends(&self) -> (&[u8], &[u8]) {
        (&self.from, self.to.as_deref().unwrap_or_default())
    }

    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let to = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.from), to)
    }
}

/// Returns the first bytes after all that start with `prefix`; `None` if there are none.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Returns the same, or bytes that no key has if there are none.
fn after_all(prefix: Vec<u8>) -> Vec<u8> {
    end_of(&prefix).unwrap_or_else(|| [&prefix[..], &[0]].concat())
}
