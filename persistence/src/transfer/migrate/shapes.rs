//! The recorded shapes of event types in a migration: taken over as long as the bytes of their events are, or
//! recorded again with the events that are encoded again.

use std::collections::BTreeSet;

use crate::error::ReadError;
use crate::record::note::Notes;
use crate::record::{Commit, EventView};
use crate::store::Reader;
use crate::store::recorded_shape::RecordedShape;

/// Changes of the recorded shapes in the new store that are not stored yet.
#[derive(Default)]
pub(super) struct Shapes {
    pending: Vec<Notes>,
    /// The keys of shapes that were removed or recorded in this run.
    settled: BTreeSet<String>,
}

impl Shapes {
    /// Takes over all shapes of a store. A damaged record is left out; it describes nothing.
    pub(super) fn carry(&mut self, from: &dyn Reader) -> Result<(), ReadError> {
        let all = RecordedShape::all(from, |_| {})?;
        self.pending.extend(all.iter().filter_map(RecordedShape::notes));
        Ok(())
    }

    /// Records the shapes of event types that were encoded again.
    pub(super) fn record(&mut self, shapes: Vec<Notes>) {
        for change in shapes.iter().flatten() {
            self.settled.insert(String::from_utf8_lossy(&change.key).into_owned());
        }
        self.pending.extend(shapes);
    }

    /// Removes the shapes of event types of which a commit has other events now: they may have any shape.
    pub(super) fn rewritten(&mut self, before: &Commit, after: &Commit) {
        if before.hash() == after.hash() {
            return;
        }
        let (before, after) = (before.view(), after.view());
        let same = |one: &EventView<'_>, other: &EventView<'_>| {
            (one.event_type, one.schema_version, one.codec_byte(), one.payload())
                == (other.event_type, other.schema_version, other.codec_byte(), other.payload())
        };
        for event in after.events() {
            let is_copied = before.category == after.category
                && before.events().any(|known| same(&known, &event));
            let (name, version) = (event.event_type, event.schema_version);
            let key = RecordedShape::key_of(after.category, name, version);
            if !is_copied && !self.settled.contains(&key) {
                let mut notes = Notes::default();
                // A longer key than a note's was never stored.
                if notes.remove(&key).is_ok() {
                    self.pending.push(notes);
                }
                self.settled.insert(key);
            }
        }
    }

    /// Takes the changes to store with the next batch.
    pub(super) fn pending(&mut self) -> Vec<Notes> {
        std::mem::take(&mut self.pending)
    }
}
