//! Views as of a moment of the log.

use std::collections::BTreeMap;

use actuarius::history::LogMoment;
use actuarius::projection::{AsOfError, KeyedProjection, Projection, Rows, SecondaryKeys, View};
use actuarius::{Envelope, Hosting, Position, Timestamp};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::scene::{Scene, second};
use crate::common::{Command, Event, Ledger};

/// The total of each ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Totals(BTreeMap<String, i64>);

impl Projection<Ledger> for Totals {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        match envelope.event {
            Event::Added(amount) => *self.0.entry(envelope.id.to_string()).or_default() += amount,
            Event::Bomb => {}
            Event::Blob(_) => std::panic::resume_unwind(Box::new("no blobs")),
        }
    }
}

/// The same as rows with a secondary key.
struct TotalRows;

impl View for TotalRows {
    type Key = String;
    type Row = i64;

    fn secondary(_: &String, row: &i64, keys: &mut SecondaryKeys) {
        keys.add("total", row);
    }
}

impl KeyedProjection<Ledger> for TotalRows {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        match envelope.event {
            Event::Added(amount) => rows.update(envelope.id.as_str(), |row| *row += amount),
            Event::Bomb => {}
            Event::Blob(_) => std::panic::resume_unwind(Box::new("no blobs")),
        }
    }
}

/// One command: its ledger, its amount, and its time.
type Written = (String, Vec<i64>, i64);

/// Folds the log up to a moment, commit by commit.
fn folded(log: &[(Written, Position, Timestamp)], moment: LogMoment) -> (Totals, Position) {
    let (mut totals, mut position) = (Totals::default(), Position::NONE);
    for ((id, amounts, _), last, time) in log {
        let was_there = match moment {
            LogMoment::Position(position) => *last <= position,
            LogMoment::Time(now) => *time <= now,
        };
        if !was_there {
            break;
        }
        *totals.0.entry(id.clone()).or_default() += amounts.iter().sum::<i64>();
        position = *last;
    }
    (totals, position)
}

async fn check(commands: Vec<Written>) {
    let scene = Scene::open(Hosting::default()).await;
    let mut log = Vec::new();
    for written in commands {
        let (id, amounts, now) = &written;
        scene.clock.set(second(*now));
        let command = Command::AddAll(amounts.clone());
        let receipt = scene.ledgers.execute(id.as_str(), command).await.unwrap();
        let time = *scene.seconds(id).await.last().unwrap();
        log.push((written, receipt.position, second(time)));
    }
    let positions = (0..scene.runtime.head().get() + 3).map(Position::new).map(LogMoment::from);
    let times = (-1..12).map(second).map(LogMoment::from);
    for moment in positions.chain(times) {
        let (totals, position) = folded(&log, moment);
        let view = scene.runtime.projection::<Totals>("totals").on::<Ledger>();
        let past = view.as_of(moment).await.unwrap();
        assert_eq!((&past.view, past.position), (&totals, position), "{moment:?}");
        let rows = scene.runtime.keyed::<TotalRows>("totals").on::<Ledger>();
        let rows = rows.as_of(moment).await.unwrap();
        let found = rows.rows().list().unwrap().into_iter();
        assert_eq!((Totals(found.collect()), rows.position()), (totals, position), "{moment:?}");
        if let LogMoment::Time(time) = moment {
            assert_eq!(scene.runtime.position_at(time).await.unwrap(), position);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_view_at_a_moment_is_a_fold_over_the_log_up_to_there(
        commands in proptest::collection::vec(
            // Times that are out of order by more than five seconds are ambiguous.
            ("[ab]", proptest::collection::vec(-9i64..9, 1..4), 0i64..6), 0..12
        ),
    ) {
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(check(commands));
    }
}

#[tokio::test]
async fn past_rows_are_found_by_key_and_secondary_key_next_to_present_ones() {
    let scene = Scene::open(Hosting::default()).await;
    for (id, amount) in [("a", 5), ("b", 7), ("a", 4)] {
        scene.add(id, amount).await;
    }
    let keyed = || scene.runtime.keyed::<TotalRows>("totals").on::<Ledger>();
    let today = keyed().start().await.unwrap();
    today.wait_for(scene.runtime.head()).await.unwrap();
    let before = keyed().as_of(Position::new(2)).await.unwrap();
    assert_eq!((before.get("a").unwrap(), today.get("a").unwrap()), (Some(5), Some(9)));
    let largest_first = before.clone().by("total").descending().list().unwrap();
    assert_eq!(largest_first, [("b".to_owned(), 7), ("a".to_owned(), 5)]);
}

#[tokio::test]
async fn many_pages_of_a_log_are_folded() {
    let scene = Scene::open(Hosting::default()).await;
    for hundred in 0..100 {
        let commands = (0..100).map(|number| {
            let (ledgers, id) = (scene.ledgers.clone(), format!("{}", number % 7));
            async move { ledgers.execute(id, Command::Add(hundred)).await.map(drop) }
        });
        let done = crate::common::join_all(commands).await;
        assert!(done.into_iter().all(|it| it.is_ok()));
    }
    let view = || scene.runtime.projection::<Totals>("totals").on::<Ledger>();
    for (position, total) in [(5_000, (0..50).sum::<i64>() * 100), (9_900, 485_100)] {
        let past = view().as_of(Position::new(position)).await.unwrap();
        assert_eq!(past.view.0.values().sum::<i64>(), total);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_projected_is_reported_unless_it_is_later() {
    let scene = Scene::open(Hosting::default()).await;
    scene.add("a", 5).await;
    scene.ledgers.execute("a", Command::Blob(3)).await.unwrap();
    let view = || scene.runtime.projection::<Totals>("totals").on::<Ledger>();
    assert_eq!(view().as_of(Position::new(1)).await.unwrap().view.0["a"], 5);
    let error = view().as_of(Position::new(2)).await.unwrap_err();
    let AsOfError::Failed { position, why } = error else { panic!("{error}") };
    assert_eq!(position.get(), 2);
    assert!(why.contains("no blobs"), "{why}");
    let rows = scene.runtime.keyed::<TotalRows>("totals").on::<Ledger>();
    let error = rows.as_of(Position::new(2)).await.map(drop).unwrap_err();
    assert!(matches!(error, AsOfError::Failed { position, .. } if position.get() == 2));
    let nothing = scene.runtime.projection::<Totals>("totals").as_of(Position::new(1)).await;
    assert!(matches!(nothing, Err(AsOfError::FollowsNothing(_))));
}
