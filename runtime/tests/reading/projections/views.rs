//! The views in memory that several of these tests build.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::projection::{InMemory, Projection};
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Bell, Command, Event, Ledger};

/// Every entry by ledger, with the positions in the order of their arrival.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entries {
    pub(crate) by_ledger: BTreeMap<String, Vec<i64>>,
    pub(crate) positions: Vec<u64>,
}

impl Projection<Ledger> for Entries {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        self.positions.push(envelope.header.position.get());
        if let Event::Added(amount) = envelope.event {
            self.by_ledger.entry(envelope.id.to_string()).or_default().push(amount);
        }
        if matches!(envelope.event, Event::Blob(_)) && POISONED.load(Ordering::SeqCst) {
            // A part of the change is already made.
            std::panic::resume_unwind(Box::new("a blob is too much"));
        }
    }
}

impl Projection<Bell> for Entries {
    fn project(&mut self, envelope: &Envelope<Bell>) {
        self.positions.push(envelope.header.position.get());
    }
}

/// Whether blobs make `Entries` panic. Only tests that set it write blobs.
pub(crate) static POISONED: AtomicBool = AtomicBool::new(false);

pub(crate) async fn entries(runtime: &Runtime) -> InMemory<Entries> {
    runtime.projection::<Entries>("entries").on::<Ledger>().start().await.unwrap()
}

/// Adds `amounts` to ledgers named after their last digit, one after the other.
pub(crate) async fn add(runtime: &Runtime, amounts: std::ops::Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        ledgers.execute((amount % 10).to_string(), Command::Add(amount)).await.unwrap();
    }
}

/// Returns a fold over the first `count` events that `add(0..)` has written.
pub(crate) fn expected(count: i64) -> Entries {
    let mut entries = Entries::default();
    for amount in 0..count {
        entries.positions.push(amount as u64 + 1);
        entries.by_ledger.entry((amount % 10).to_string()).or_default().push(amount);
    }
    entries
}
