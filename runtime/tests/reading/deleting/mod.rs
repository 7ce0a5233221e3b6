//! Followers and the deletion of an aggregate: they take its events whole or not at all, and learn of its end.

mod overlapping;
mod own_handler;
mod parked;
mod reacting;
mod waiting;
mod whole;
mod widened;

use std::sync::{Arc, Mutex};

use actuarius::projection::{KeyedProjection, Rows, View};
use actuarius::{Envelope, Runtime};

use crate::common::{Command, Event, Ledger};

/// The sum of each ledger.
struct Sums;

impl View for Sums {
    type Key = String;
    type Row = i64;
}

impl KeyedProjection<Ledger> for Sums {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            rows.update(envelope.id.as_str(), |row| *row += amount);
        }
    }
}

async fn add(runtime: &Runtime, id: &str, times: usize) {
    let ledgers = runtime.host::<Ledger>();
    for _ in 0..times {
        ledgers.execute(id, Command::Add(1)).await.unwrap();
    }
}

/// What handlers have handled, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
