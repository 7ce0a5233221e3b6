//! The test kit shows what a running view would show after a restart.
//!
//! An earlier kit kept the rows in memory and never decoded the stored ones: a field that is not
//! stored seemed to be there until the next start, and after a row that does not decode all events were
//! ignored.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::Envelope;
use actuarius::projection::{KeyedProjection, Rows, View};
use actuarius::testing::rows_of;
use serde::{Deserialize, Serialize};

use crate::common::{Event, Ledger};

/// A row with a field that is not stored, by mistake.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    total: i64,
    #[serde(skip)]
    entries: u64,
}

struct Skipping;

impl View for Skipping {
    type Key = String;
    type Row = Sum;
}

impl KeyedProjection<Ledger> for Skipping {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        let Event::Added(amount) = envelope.event else { return };
        rows.update(envelope.id.as_str(), |row| {
            row.entries += 1;
            // The field has its default at each event, as after a restart.
            row.total += amount * i64::try_from(row.entries).unwrap();
        });
    }
}

#[test]
fn each_event_starts_from_the_stored_rows() {
    let row = |total| Sum { total, entries: 0 };
    let _ = rows_of::<Skipping>()
        .given::<Ledger>("a", [Event::Added(10), Event::Added(10)])
        .then_row("a", Some(&row(10 + 10)))
        .given::<Ledger>("a", [Event::Added(10)])
        .then_row("a", Some(&row(10 + 10 + 10)));
}

/// A row that does not decode.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Lost {
    #[serde(skip_serializing)]
    total: i64,
}

struct Losing;

impl View for Losing {
    type Key = String;
    type Row = Lost;
}

impl KeyedProjection<Ledger> for Losing {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            rows.update(envelope.id.as_str(), |row| row.total += amount);
        }
    }
}

#[test]
fn a_row_that_does_not_decode_fails_the_test_that_stores_it() {
    let given = || drop(rows_of::<Losing>().given::<Ledger>("a", [Event::Added(1)]));
    let panic = catch_unwind(AssertUnwindSafe(given)).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("the row a") && said.contains("cannot be stored"), "{said}");
    assert!(said.contains("kit.rs"), "it names the line: {said}");
}
