//! The views in memory and by key: totals by journal.

use std::collections::BTreeMap;

use actuarius::Envelope;
use actuarius::projection::{KeyedProjection, Projection, Rows, SecondaryKeys, View};
use serde::{Deserialize, Serialize};

use crate::Journal;

/// The number of newest events of a journal that have rows of their own in [`Recent`].
pub(crate) const RECENT: u64 = 4;

/// The total of a journal. It reveals any missing, duplicate or reordered event permanently.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Total {
    /// The number of events.
    pub(crate) events: u64,
    /// The running hash over the events, see [`Fact::digest`](crate::Fact::digest).
    pub(crate) digest: u64,
    /// The position of the last event.
    pub(crate) position: u64,
}

impl Total {
    pub(crate) fn add(&mut self, envelope: &Envelope<Journal>) {
        self.events += 1;
        self.digest = envelope.event.digest(self.digest);
        self.position = envelope.header.position.get();
    }
}

/// A view in memory: the totals by journal.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Totals(pub(crate) BTreeMap<String, Total>);

impl Projection<Journal> for Totals {
    fn project(&mut self, envelope: &Envelope<Journal>) {
        self.0.entry(envelope.id.to_string()).or_default().add(envelope);
    }
}

/// A keyed view. The row `(journal, 0)` is the total, and the row `(journal, n)` is the total after event `n`, for the
/// last [`RECENT`] events. So each event changes one row, adds one and removes one.
pub(crate) struct Recent;

impl View for Recent {
    type Key = (String, u64);
    type Row = Total;

    fn secondary(_: &(String, u64), total: &Total, keys: &mut SecondaryKeys) {
        keys.add("position", &total.position);
    }
}

impl KeyedProjection<Journal> for Recent {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Journal>) {
        let journal = envelope.id.as_str();
        let key = |event| (journal.to_owned(), event);
        let mut total = rows.get(&key(0)).cloned().unwrap_or_default();
        total.add(envelope);
        rows.put(key(total.events), total.clone());
        if total.events > RECENT {
            rows.remove(&key(total.events - RECENT));
        }
        rows.put(key(0), total);
    }
}
