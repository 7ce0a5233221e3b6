//! Decides whether a stored keyed view continues or is rebuilt: versions, shapes, damage and other
//! stores.

use actuarius::error::StartError;
use actuarius::projection::{Keyed, KeyedProjection, ProjectionBuilder, Rows, SecondaryKeys, View};
use actuarius::store::sled;
use actuarius::store::views::ViewError;
use actuarius::{Envelope, Position, Runtime};
use serde::{Deserialize, Serialize};

use super::views::{Kept, Model, Sum, Sums, add, close, show_all, sums};
use crate::common::{Ledger, eventually};

/// The rows of `Sums`, with a projection that ignores all events.
struct Nothing;

impl View for Nothing {
    type Key = String;
    type Row = Sum;
}

impl KeyedProjection<Ledger> for Nothing {
    fn project(_: &mut Rows<'_, Self>, _: &Envelope<Ledger>) {}
}

fn nothing(runtime: &Runtime) -> ProjectionBuilder<Keyed<Nothing>> {
    runtime.keyed::<Nothing>("sums").on::<Ledger>()
}

async fn shut_down_after_ten() -> Kept {
    let kept = Kept::in_memory();
    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    add(&runtime, 0..10).await;
    show_all(&runtime, &view).await;
    close(runtime, view).await;
    kept
}

#[tokio::test]
async fn the_same_version_continues_without_replaying_history() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = nothing(&runtime).start().await.unwrap();
    assert_eq!(view.position(), Position::new(10));
    assert_eq!(view.get("ledger 3").unwrap(), Some(Sum { total: 3, entries: 1 }));
}

/// The rows of `Sums` with one more field, in the same version by mistake.
struct Grown;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct GrownSum {
    total: i64,
    entries: u64,
    last: u64,
}

impl View for Grown {
    type Key = String;
    type Row = GrownSum;
}

impl KeyedProjection<Ledger> for Grown {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        let last = envelope.header.position.get();
        rows.put(envelope.id.as_str(), GrownSum { total: 0, entries: 0, last });
    }
}

#[tokio::test]
async fn rows_of_another_shape_in_the_same_version_are_rebuilt() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = runtime.keyed::<Grown>("sums").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    let row = GrownSum { total: 0, entries: 0, last: 4 };
    assert_eq!(view.get("ledger 3").unwrap(), Some(row));
}

#[tokio::test]
async fn another_version_is_rebuilt_and_readable_meanwhile() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = nothing(&runtime).version(2).start().await.unwrap();
    assert_eq!(view.rows().list().unwrap(), []);
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().list().unwrap(), []);
}

#[tokio::test]
async fn an_older_version_that_can_be_read_serves_until_the_new_one_has_caught_up() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = nothing(&runtime).version(2).also_reads(1).start().await.unwrap();
    assert_eq!(view.position(), Position::new(10));
    // Either the complete old view or the complete new one.
    let rows = view.rows().list().unwrap();
    assert!(rows.is_empty() || rows.len() == 10, "{rows:?}");
    eventually(|| view.rows().list().unwrap().is_empty()).await;
    show_all(&runtime, &view).await;
    // The new view has taken over permanently.
    view.stop().await;
    drop(view);
    let view = nothing(&runtime).version(2).start().await.unwrap();
    assert_eq!((view.position(), view.rows().count().unwrap()), (Position::new(10), 0));
}

#[tokio::test]
async fn a_lower_version_is_rebuilt_too() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = nothing(&runtime).version(2).start().await.unwrap();
    show_all(&runtime, &view).await;
    close_nothing(runtime, view).await;
    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    Model::of(10).check(&view);
}

async fn close_nothing(runtime: Runtime, view: actuarius::projection::Keyed<Nothing>) {
    let _ = runtime.shutdown(std::time::Duration::from_secs(60)).await;
    drop(view);
}

#[tokio::test]
async fn from_scratch_discards_stored_rows() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = nothing(&runtime).from_scratch().start().await.unwrap();
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().list().unwrap(), []);
}

#[tokio::test]
async fn a_view_of_another_store_is_rebuilt() {
    let kept = Kept { contents: Default::default(), ..shut_down_after_ten().await };
    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    Model::of(0).check(&view);
    add(&runtime, 0..3).await;
    show_all(&runtime, &view).await;
    Model::of(3).check(&view);
}

#[tokio::test]
async fn a_view_in_use_by_another_runtime_is_refused() {
    let kept = Kept::in_memory();
    let (runtime, other) = (kept.open().await, Kept { contents: Default::default(), ..kept });
    let view = sums(&runtime).start().await.unwrap();
    assert!(matches!(sums(&runtime).start().await, Err(StartError::NameTaken(_))));
    let other = other.open().await;
    let refused = sums(&other).start().await.err().expect("it is in use");
    assert!(matches!(refused, StartError::View(ViewError::InUse { .. })), "{refused}");
    view.stop().await;
    drop(view);
    sums(&other).start().await.unwrap();
    let nothing = runtime.keyed::<Sums>("nothing").start().await;
    assert!(matches!(nothing, Err(StartError::FollowsNothing(_))));
}

#[tokio::test]
async fn a_damaged_view_is_reported_and_can_start_from_scratch() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Kept { views: sled::views(directory.path()), ..Kept::in_memory() };
    let runtime = kept.open().await;
    add(&runtime, 0..10).await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    view.stop().await;
    drop(view);
    std::fs::write(directory.path().join("sums/1/table/FORMAT"), "nonsense").unwrap();
    let damaged = sums(&runtime).start().await.err().expect("it is damaged");
    assert!(matches!(damaged, StartError::View(ViewError::Damaged { .. })), "{damaged}");
    let view = sums(&runtime).from_scratch().start().await.unwrap();
    show_all(&runtime, &view).await;
    Model::of(10).check(&view);
    view.stop().await;
    drop(view);
    let view = sums(&runtime).start().await.unwrap();
    assert_eq!(view.position(), Position::new(10));
}

/// The rows of `Sums` under the length of their names, in the same version by mistake.
struct ByLength;

impl View for ByLength {
    type Key = u64;
    type Row = Sum;
}

impl KeyedProjection<Ledger> for ByLength {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        rows.update(envelope.id.as_str().len() as u64, |row| row.entries += 1);
    }
}

/// The rows of `Sums` with a further secondary key, in the same version by mistake.
struct ByEntries;

impl View for ByEntries {
    type Key = String;
    type Row = Sum;

    fn secondary(_: &String, row: &Sum, keys: &mut SecondaryKeys) {
        keys.add("entries", &row.entries);
    }
}

impl KeyedProjection<Ledger> for ByEntries {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        rows.update(envelope.id.as_str(), |row| row.entries += 1);
    }
}

/// Only the shape of the rows was compared. With another type of keys, or a further secondary key, lookups missed every
/// row that was stored before.
#[tokio::test]
async fn rows_with_other_keys_in_the_same_version_are_rebuilt() {
    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = runtime.keyed::<ByLength>("sums").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().list().unwrap(), [(8, Sum { total: 0, entries: 10 })]);

    let kept = shut_down_after_ten().await;
    let runtime = kept.open().await;
    let view = runtime.keyed::<ByEntries>("sums").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    assert_eq!(view.by("entries").equal(&1u64).list().unwrap().len(), 10);
}
