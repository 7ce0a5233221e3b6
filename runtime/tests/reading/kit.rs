//! The test kit for the read side accepts correct views and handlers, and rejects wrong ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::{BoxError, WaitError};
use actuarius::projection::{KeyedProjection, Projection, Rows, SecondaryKeys, View};
use actuarius::subscription::Handler;
use actuarius::testing::{envelopes, rows_of, twice, view};
use actuarius::{Codec, Envelope, Position, Runtime, Timestamp};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Event, Ledger};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Last {
    total: i64,
    position: u64,
    micros: i64,
}

impl Projection<Ledger> for Last {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            self.total += amount;
        }
        self.position = envelope.header.position.get();
        self.micros = envelope.header.time.as_micros();
    }
}

struct ByTotal;

impl View for ByTotal {
    type Key = String;
    type Row = i64;

    fn secondary(_: &String, total: &i64, keys: &mut SecondaryKeys) {
        keys.add("total", total);
    }
}

impl KeyedProjection<Ledger> for ByTotal {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        match envelope.event {
            Event::Added(amount) => rows.update(envelope.id.as_str(), |total| *total += amount),
            _ => rows.remove(envelope.id.as_str()),
        }
    }
}

/// Returns whether a check panics, without a report of the panic.
fn fails(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

#[test]
fn a_view_sees_positions_and_times_and_survives_its_codec() {
    for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
        let test = view::<Last>().with_codec(codec).at(Timestamp::from_micros(5));
        let test = test.given::<Ledger>("a", [Event::Added(1), Event::Added(2)]);
        let test = test.given::<Ledger>("b", [Event::Added(4)]);
        let test = test.then(&Last { total: 7, position: 3, micros: 5 });
        assert!(fails(move || drop(test.then(&Last::default()))));
    }
    assert!(fails(|| drop(view::<Last>().then_is("old", |last| last.position > 0))));
}

#[test]
fn rows_are_kept_found_and_removed() {
    let test = rows_of::<ByTotal>()
        .given::<Ledger>("a", [Event::Added(9)])
        .given::<Ledger>("b", [Event::Added(4), Event::Added(2)])
        .given::<Ledger>("c", [Event::Added(1), Event::Bomb])
        .then_row("b", Some(&6))
        .then_row("c", None);
    let names =
        |rows: actuarius::projection::RowPage<_>| rows.into_iter().map(|(name, _)| name).collect();
    let (in_order, by_total): (Vec<_>, Vec<_>) =
        (names(test.rows().list().unwrap()), names(test.by("total").list().unwrap()));
    assert_eq!((in_order, by_total), (vec!["a".into(), "b".into()], vec!["b".into(), "a".into()]));
    assert!(fails(move || drop(test.then_row("b", Some(&7)))));
}

#[tokio::test]
async fn a_handler_under_twice_gets_each_event_twice_in_a_row() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let handler = twice(move |event: Envelope<Ledger>| {
        notes.lock().unwrap().push(event.header.version.get());
        async { Ok::<(), BoxError>(()) }
    });
    for event in envelopes::<Ledger>("a", [Event::Added(1), Event::Added(2)]) {
        handler.handle(event).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [1, 1, 2, 2]);
}

#[tokio::test]
async fn caught_up_waits_for_all_followers() {
    let runtime = Runtime::in_memory().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let on_event = move |event: Envelope<Ledger>| {
        notes.lock().unwrap().push(event.header.position);
        async { Ok::<(), BoxError>(()) }
    };
    let _mailer = runtime.subscribe("mailer").on(on_event).start().await.unwrap();
    let last = runtime.projection::<Last>("last").on::<Ledger>().start().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for amount in 1..=9 {
        ledgers.execute("a", Command::Add(amount)).await.unwrap();
    }
    runtime.caught_up(Duration::from_secs(60)).await.unwrap();
    assert_eq!(last.read(|last| last.total), 45);
    assert!(seen.lock().unwrap().iter().copied().eq((1..=9).map(Position::new)));
    last.pause().await;
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let late = runtime.caught_up(Duration::ZERO).await;
    assert!(matches!(late, Err(WaitError::TimedOut { .. })), "{late:?}");
}
