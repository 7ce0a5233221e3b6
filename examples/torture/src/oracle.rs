use std::collections::{BTreeMap, HashSet};

use actuarius::Position;

use crate::total::{RECENT, Total};
use crate::{Entry, Log};

/// What the views must show, made from the log alone.
impl Log {
    /// The totals by journal when the log ended at `position`.
    pub(crate) fn totals(&self, position: Position) -> BTreeMap<String, Total> {
        let entries = self.entries(position);
        entries.filter_map(|(id, its)| Some((id.to_owned(), total(its.last()?)))).collect()
    }

    /// The rows of [`Recent`](crate::total::Recent) when the log ended at `position`.
    pub(crate) fn recent(&self, position: Position) -> BTreeMap<(String, u64), Total> {
        let mut rows = BTreeMap::new();
        for (id, entries) in self.entries(position) {
            let last = entries.iter().rev().take(RECENT as usize);
            for entry in last {
                rows.insert((id.to_owned(), entry.version.get()), total(entry));
            }
            if let Some(last) = entries.last() {
                rows.insert((id.to_owned(), 0), total(last));
            }
        }
        rows
    }

    /// What is wrong with the effects of a handler that has finished everything up to `checkpoint`.
    pub(crate) fn object_to(
        &self,
        effects: &[(Position, String)],
        checkpoint: Position,
    ) -> Vec<String> {
        let mut objections = self.out_of_order(effects);
        let seen: HashSet<_> = effects.iter().map(|(position, _)| position.get()).collect();
        let missing: Vec<_> = (1..=checkpoint.get()).filter(|it| !seen.contains(it)).collect();
        if !missing.is_empty() {
            objections.push(format!("finished up to {checkpoint}, without {missing:?}"));
        }
        objections
    }

    /// The first effects of a journal's events must be those events, in order, without a gap.
    fn out_of_order(&self, effects: &[(Position, String)]) -> Vec<String> {
        let (mut objections, mut seen) = (Vec::new(), HashSet::new());
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        for (position, id) in effects.iter().filter(|(position, _)| seen.insert(*position)) {
            let due = next.entry(id).or_default();
            let entry = self.streams.get(id).and_then(|stream| stream.entries.get(*due));
            *due += 1;
            if entry.map(|entry| entry.position) != Some(*position) {
                objections.push(format!("position {position} is not event {due} of {id}"));
            }
        }
        objections
    }

    /// The journals' events up to `position`.
    fn entries(&self, position: Position) -> impl Iterator<Item = (&str, &[Entry])> {
        self.streams.iter().map(move |(id, stream)| {
            let end = stream.entries.partition_point(|entry| entry.position <= position);
            (id.as_str(), &stream.entries[..end])
        })
    }
}

fn total(entry: &Entry) -> Total {
    let (events, position) = (entry.version.get(), entry.position.get());
    Total { events, digest: entry.digest, position }
}
