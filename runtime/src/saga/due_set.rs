//! `DueSet`: the deadlines of all live instances, in parts that copies share.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use actuarius_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::shared_map::{PARTS, part_of};
use super::stored::EffectId;

type Deadline = (Timestamp, String, EffectId);

/// The deadlines of all live instances.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DueSet {
    /// By the ids of the instances; in each part the next one first.
    parts: Vec<Arc<BTreeSet<Deadline>>>,
}

impl Default for DueSet {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Arc::default()).collect() }
    }
}

impl DueSet {
    pub(super) fn add(&mut self, id: &str, deadlines: &[(EffectId, Timestamp)]) {
        if !deadlines.is_empty() {
            let all = deadlines.iter().map(|(deadline, at)| (*at, id.to_owned(), *deadline));
            self.part(id).extend(all);
        }
    }

    pub(super) fn remove(&mut self, id: &str, deadlines: &[(EffectId, Timestamp)]) {
        if !deadlines.is_empty() {
            let part = self.part(id);
            for (deadline, at) in deadlines {
                part.remove(&(*at, id.to_owned(), *deadline));
            }
        }
    }

    fn part(&mut self, id: &str) -> &mut BTreeSet<Deadline> {
        let part = part_of(id, self.parts.len());
        Arc::make_mut(&mut self.parts[part])
    }

    /// Returns the deadlines that are due by `now`, the oldest first.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = (&str, EffectId)> {
        let has_due = |part: &&Arc<BTreeSet<Deadline>>| part.first().is_some_and(|it| it.0 <= now);
        let parts = self.parts.iter().filter(has_due);
        let mut parts: Vec<_> = parts.map(|part| part.iter()).collect();
        let mut next: BinaryHeap<_> = (0_usize..)
            .zip(&mut parts)
            .filter_map(|(part, rest)| rest.next().map(|deadline| Reverse((deadline, part))))
            .collect();
        std::iter::from_fn(move || {
            let Reverse(((_, id, deadline), part)) = next.pop()?;
            if let Some(further) = parts[part].next().filter(|(at, ..)| *at <= now) {
                next.push(Reverse((further, part)));
            }
            Some((id.as_str(), *deadline))
        })
    }

    /// Returns when the next deadline after `now` is due.
    pub(super) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let last = (now, String::new(), EffectId { step: u64::MAX, index: u32::MAX });
        let next = |part: &Arc<BTreeSet<Deadline>>| {
            let (first, ..) = part.first()?;
            if *first > now {
                return Some(*first);
            }
            let mut rest = part.range((Excluded(&last), Unbounded)).map(|(at, ..)| *at);
            rest.find(|at| *at > now)
        };
        self.parts.iter().filter_map(next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_their_order_whatever_part_they_are_in() {
        let mut all = DueSet::default();
        let effect = EffectId { step: 1, index: 0 };
        let at = Timestamp::from_micros;
        for number in (0..500).rev() {
            all.add(&format!("{number:03}"), &[(effect, at(number / 2))]);
        }
        let copy = all.clone();
        all.remove("000", &[(effect, at(0))]);
        let due: Vec<&str> = all.due(at(2)).map(|(id, _)| id).collect();
        assert_eq!(due, ["001", "002", "003", "004", "005"]);
        assert_eq!(copy.due(at(0)).count(), 2);
        assert_eq!((all.next_after(at(2)), all.next_after(at(-1))), (Some(at(3)), Some(at(0))));
        assert_eq!((all.next_after(at(249)), all.due(at(-1)).next()), (None, None));
    }
}
