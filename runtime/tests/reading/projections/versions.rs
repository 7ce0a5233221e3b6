//! Decides whether a saved view in memory is used or rebuilt: versions, types, damage and
//! `from_scratch`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use actuarius::error::StartError;
use actuarius::health::FollowerStatus;
use actuarius::projection::Projection;
use actuarius::store::memory::Contents;
use actuarius::store::sled;
use actuarius::store::views::{ViewError, Views};
use actuarius::{Envelope, Position};
use serde::{Deserialize, Serialize};

use super::saving::{open, shut_down_after_ten};
use super::scripted::{self, LONG, caught_up, copy, levers, scripted};
use super::views::Entries;
use crate::common::{Bell, Ledger, eventually};

#[tokio::test]
async fn another_version_is_rebuilt() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().version(2);
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), Entries::default());
}

/// A changed `Entries` in the same version by mistake: its bytes would decode to a wrong view.
#[derive(Default, Serialize, Deserialize)]
struct Reshaped {
    count: u64,
}

impl Projection<Ledger> for Reshaped {
    fn project(&mut self, _: &Envelope<Ledger>) {
        self.count += 1;
    }
}

#[tokio::test]
async fn a_view_of_another_shape_in_the_same_version_is_rebuilt() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Reshaped>("entries").on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(|view| view.count), runtime.head().get());
}

#[tokio::test]
async fn an_older_version_that_is_still_readable_serves_until_the_new_one_has_caught_up() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().version(2).also_reads(1);
    let view = view.start().await.unwrap();
    let seen = view.read_at(|entries, position| (entries.positions.len(), position));
    // Either the complete old view or the complete new one.
    assert!([(10, Position::new(10)), (0, Position::new(10))].contains(&seen), "{seen:?}");
    eventually(|| view.read(|entries| entries.positions.is_empty())).await;
    assert_eq!(view.position(), Position::new(10));
}

#[tokio::test]
async fn from_scratch_discards_the_saved_state() {
    let (contents, views) = shut_down_after_ten().await;
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<Entries>("entries").on::<Bell>().from_scratch();
    let view = view.start().await.unwrap();
    assert_eq!(view.read(Clone::clone), Entries::default());
}

/// Writes a store with ten events and a view of them, and shuts it down cleanly.
async fn ten_on_disk<const TEST: usize>(views: &Path) -> Arc<Contents> {
    let contents = Arc::default();
    let runtime = open(&contents, &sled::views(views)).await;
    scripted::add(&runtime, 0..10).await;
    drop(caught_up::<TEST>(&runtime).await);
    assert!(runtime.shutdown(LONG).await.is_clean());
    contents
}

/// Nothing was durable before the first save, so the old state was loaded again.
#[tokio::test]
async fn from_scratch_is_not_undone_by_a_kill_before_the_first_save() {
    let directory = tempfile::tempdir().unwrap();
    let (views, killed) = (directory.path().join("views"), directory.path().join("killed"));
    let contents = ten_on_disk::<15>(&views).await;
    let runtime = open(&contents, &sled::views(&views)).await;
    let _view = scripted::<15>(&runtime).from_scratch().start().await.unwrap();
    copy(&views, &killed);
    let runtime = open(&contents, &sled::views(&killed)).await;
    let view = caught_up::<15>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(10), scripted.here)), (true, 10));
}

#[tokio::test]
async fn a_view_with_damaged_files_starts_only_from_scratch() {
    let directory = tempfile::tempdir().unwrap();
    let contents = ten_on_disk::<16>(directory.path()).await;
    let runtime = open(&contents, &sled::views(directory.path())).await;
    for file in ["1/state", "current"] {
        std::fs::write(directory.path().join("scripted").join(file), "damaged").unwrap();
        let error = scripted::<16>(&runtime).start().await.err().expect("it is damaged");
        assert!(matches!(error, StartError::View(ViewError::Damaged { .. })), "{error}");
    }
    let view = scripted::<16>(&runtime).from_scratch().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(10)));
    drop(view);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = open(&contents, &sled::views(directory.path())).await;
    let view = caught_up::<16>(&runtime).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(10), scripted.here)), (true, 0));
}

/// The view had events of an added type only from its old position on.
#[tokio::test]
async fn a_view_that_follows_another_type_is_rebuilt_with_all_its_events() {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let runtime = open(&contents, &views).await;
    scripted::add(&runtime, 0..5).await;
    runtime.host::<Bell>().execute("tower", ()).await.unwrap();
    let view = caught_up::<17>(&runtime).await;
    assert_eq!(view.read(|scripted| scripted.positions.clone()), [1, 2, 3, 4, 5]);
    drop(view);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = open(&contents, &views).await;
    let view = scripted::<17>(&runtime).on::<Bell>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(6)));
    drop(view);
    assert!(runtime.shutdown(LONG).await.is_clean());
    // The order of the types does not matter.
    let runtime = open(&contents, &views).await;
    let view = runtime.projection::<scripted::Scripted<17>>("scripted").on::<Bell>().on::<Ledger>();
    let view = view.start().await.unwrap();
    assert_eq!(view.read(|scripted| (scripted.is_whole(6), scripted.here)), (true, 0));
}

/// A process had been killed between saving a state and making it current. The next version was
/// built under the same generation, and returned to that state when an event failed.
#[tokio::test]
async fn leftovers_of_a_killed_process_are_never_taken_for_the_views_own_state() {
    let directory = tempfile::tempdir().unwrap();
    let contents = ten_on_disk::<18>(directory.path()).await;
    let views = sled::views(directory.path());
    let place = views.place("scripted").unwrap();
    let state = place.load_state(1).unwrap().unwrap();
    for number in 2..5 {
        place.save_state(number, &state).unwrap();
    }
    drop(place);
    let runtime = open(&contents, &views).await;
    let levers = levers(18);
    levers.panics_at.store(3, SeqCst);
    let view = scripted::<18>(&runtime).version(2).start().await.unwrap();
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    assert_eq!(view.read(|scripted| (scripted.is_whole(2), scripted.here)), (true, 0));
    levers.panics_at.store(u64::MAX, SeqCst);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|scripted| scripted.is_whole(10)));
}

/// Only the new view was compared with the log, and a new view is empty at first.
#[tokio::test]
async fn an_older_view_that_is_ahead_of_the_log_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (store, backup) = (directory.path().join("store"), directory.path().join("backup"));
    let views = Views::in_memory();
    let open = |path| actuarius::Runtime::builder().views(views.clone()).open(path);
    let runtime = open(&store).await.unwrap();
    scripted::add(&runtime, 0..4).await;
    let _ = runtime.shutdown(LONG).await;
    copy(&store, &backup);
    let runtime = open(&store).await.unwrap();
    scripted::add(&runtime, 4..10).await;
    drop(caught_up::<19>(&runtime).await);
    let _ = runtime.shutdown(LONG).await;
    // The same store in an older state.
    let runtime = open(&backup).await.unwrap();
    let view = scripted::<19>(&runtime).version(2).also_reads(1);
    let error = view.start().await.err().expect("the log is shorter");
    let ten = Position::new(10);
    assert!(matches!(error, StartError::Ahead { checkpoint, .. } if checkpoint == ten), "{error}");
}

/// The projection was reported as live at the old view's position, and the progress of the new one
/// was unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_older_view_is_read_the_projection_reports_its_progress() {
    let (contents, views) = (Arc::default(), Views::in_memory());
    let runtime = open(&contents, &views).await;
    scripted::add(&runtime, 0..10).await;
    drop(caught_up::<20>(&runtime).await);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = open(&contents, &views).await;
    let levers = levers(20);
    levers.waits_at.store(1, SeqCst);
    let view = scripted::<20>(&runtime).version(2).also_reads(1).start().await.unwrap();
    eventually(|| levers.gate.is_waited_at()).await;
    assert_eq!(view.status(), FollowerStatus::CatchingUp);
    assert_eq!((view.position(), view.building()), (Position::new(10), Some(Position::NONE)));
    assert!(view.read(|scripted| scripted.is_whole(10)));
    levers.gate.open();
    eventually(|| view.building().is_none()).await;
    assert_eq!(view.status(), FollowerStatus::Live);
    // It was saved before it was served, and the view that was read back is served.
    assert_eq!(view.read(|scripted| (scripted.is_whole(10), scripted.here)), (true, 0));
}
