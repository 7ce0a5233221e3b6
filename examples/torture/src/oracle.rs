//! The expected content of the views, computed from the log alone.

use std::collections::BTreeMap;

use actuarius::Position;

use crate::total::{RECENT, Total};
use crate::{Entry, Log};

impl Log {
    /// The totals by journal at `position`.
    pub(crate) fn totals(&self, position: Position) -> BTreeMap<String, Total> {
        let entries = self.entries(position);
        entries.filter_map(|(id, its)| Some((id.to_owned(), total(its.last()?)))).collect()
    }

    /// The rows of [`Recent`](crate::total::Recent) at `position`.
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
