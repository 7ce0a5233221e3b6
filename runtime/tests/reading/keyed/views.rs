//! The keyed views of these tests, and the model they are compared with.
#![allow(missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::StartError;
use actuarius::projection::{Keyed, KeyedProjection, ProjectionBuilder, Rows, SecondaryKeys, View};
use actuarius::store::memory::{self, Contents};
use actuarius::store::views::Views;
use actuarius::subscription::Retry;
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Event, Ledger};

/// The amounts added to each ledger since its last zero, which removes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub total: i64,
    pub entries: u64,
}

/// The sum of each ledger, and the sum of all ledgers.
pub struct Sums;

impl View for Sums {
    type Key = String;
    type Row = Sum;

    fn secondary(_: &String, row: &Sum, keys: &mut SecondaryKeys) {
        keys.add("total", &row.total);
        keys.add("parity", if row.total % 2 == 0 { "even" } else { "odd" });
        // Some rows have no such key, and some have several.
        for digit in row.total.unsigned_abs().to_string().bytes().take(2) {
            keys.add("digit", &(digit - b'0'));
        }
    }
}

pub const ALL: &str = "all of them";

impl KeyedProjection<Ledger> for Sums {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        let Event::Added(amount) = envelope.event else { return };
        if amount == 0 {
            let lost = rows.get(envelope.id.as_str()).map_or(0, |row| row.total);
            rows.remove(envelope.id.as_str());
            rows.update(ALL, |all| all.total -= lost);
            return;
        }
        for key in [envelope.id.as_str(), ALL] {
            rows.update(key, |row| {
                row.total += amount;
                row.entries += 1;
            });
        }
    }
}

/// The expected rows of `Sums` after these amounts were added to these ledgers.
#[derive(Debug, Default, PartialEq)]
pub struct Model(pub BTreeMap<String, Sum>);

impl Model {
    pub fn add(&mut self, ledger: &str, amount: i64) {
        if amount == 0 {
            let lost = self.0.remove(ledger).map_or(0, |row| row.total);
            self.0.entry(ALL.to_owned()).or_default().total -= lost;
            return;
        }
        for key in [ledger, ALL] {
            let row = self.0.entry(key.to_owned()).or_default();
            *row = Sum { total: row.total + amount, entries: row.entries + 1 };
        }
    }

    /// Returns the model after `add(0..count)`.
    pub fn of(count: i64) -> Self {
        let mut model = Self::default();
        for amount in 0..count {
            model.add(&name(amount), amount);
        }
        model
    }

    /// Compares a view with the model: row by row, in pages, and by secondary keys.
    pub fn check(&self, view: &Keyed<Sums>) {
        let rows: Vec<_> = self.0.clone().into_iter().collect();
        assert_eq!(view.rows().list().unwrap(), rows);
        for (key, row) in &rows {
            assert_eq!(view.get(key).unwrap().as_ref(), Some(row));
        }
        let mut by_total: Vec<_> = rows.clone();
        by_total.sort_by_key(|(key, row)| (row.total, key.clone()));
        assert_eq!(view.by("total").list().unwrap(), by_total);
        let odd: Vec<_> = rows.iter().filter(|(_, row)| row.total % 2 != 0).cloned().collect();
        assert_eq!(view.by("parity").equal("odd").list().unwrap(), odd);
        let seven =
            |row: &Sum| row.total.unsigned_abs().to_string().bytes().take(2).any(|it| it == b'7');
        let with_seven = view.by("digit").equal(&7u8).list().unwrap();
        let expected: Vec<_> = rows.into_iter().filter(|(_, row)| seven(row)).collect();
        assert_eq!(with_seven, expected);
    }
}

fn name(amount: i64) -> String {
    format!("ledger {}", amount % 10)
}

/// Adds `amounts` to ledgers named after their last digit, one after the other.
pub async fn add(runtime: &Runtime, amounts: std::ops::Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        ledgers.execute(name(amount), Command::Add(amount)).await.unwrap();
    }
}

/// Waits until a view shows everything, for as long as that takes on a busy machine.
pub async fn show_all<V: View>(runtime: &Runtime, view: &Keyed<V>) {
    view.wait_for_within(runtime.head(), Duration::from_secs(300)).await.unwrap();
}

pub fn sums(runtime: &Runtime) -> ProjectionBuilder<Keyed<Sums>> {
    runtime.keyed::<Sums>("sums").on::<Ledger>()
}

/// A projection without retries, so that tests need not wait.
pub fn at_once() -> Retry {
    Retry::default().attempts(1)
}

/// The storage that outlives a runtime.
#[derive(Clone)]
pub struct Kept {
    pub contents: Arc<Contents>,
    pub views: Views,
}

impl Kept {
    pub fn in_memory() -> Self {
        Self { contents: Arc::default(), views: Views::in_memory() }
    }

    pub async fn open(&self) -> Runtime {
        let store = memory::reopen(&self.contents);
        Runtime::builder().views(self.views.clone()).on_store(store).await.unwrap()
    }
}

/// Closes everything in order.
pub async fn close(runtime: Runtime, view: Keyed<Sums>) {
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    drop(view);
}

/// Starts a view whose previous runtime was dropped, as soon as that one has released its files.
pub async fn start_when_free<V: View>(
    start: impl Fn() -> ProjectionBuilder<Keyed<V>>,
) -> Result<Keyed<V>, StartError> {
    loop {
        match start().start().await {
            Err(StartError::View(error)) if error.to_string().contains("in use") => {
                tokio::task::yield_now().await;
            }
            started => return started,
        }
    }
}
