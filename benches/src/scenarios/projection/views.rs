//! The views that are measured: how much each aggregate has recorded.

use std::collections::HashMap;

use actuarius::{Envelope, InMemory, Projection, Runtime};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::workload::{Journal, JournalEvent};

/// What one aggregate has recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    /// How many notes.
    pub notes: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Sum {
    /// Counts an event in.
    pub(super) fn add(&mut self, event: &JournalEvent) {
        let JournalEvent::Recorded { note } = event;
        self.notes += 1;
        self.bytes += note.len() as u64;
    }
}

/// The view in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sums(HashMap<String, Sum>);

impl Projection<Journal> for Sums {
    fn project(&mut self, envelope: &Envelope<Journal>) {
        match self.0.get_mut(envelope.id.as_str()) {
            Some(sum) => sum.add(&envelope.event),
            None => self.0.entry(envelope.id.to_string()).or_default().add(&envelope.event),
        }
    }
}

impl Sums {
    /// How many notes all have.
    pub(super) fn notes(&self) -> u64 {
        self.0.values().map(|sum| sum.notes).sum()
    }
}

/// Starts the view in memory.
///
/// # Errors
/// Why it does not start.
pub(super) async fn in_memory(runtime: &Runtime, name: &str) -> Result<InMemory<Sums>> {
    Ok(runtime.projection::<Sums>(name).on::<Journal>().start().await?)
}
