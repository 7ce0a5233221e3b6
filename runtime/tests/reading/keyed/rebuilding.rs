//! Rebuilding a keyed view next to the one that is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actuarius::health::FollowerStatus;
use actuarius::projection::{Keyed, KeyedProjection, ProjectionBuilder, RebuildError, Rows, View};
use actuarius::store::sled;
use actuarius::{Envelope, Position, Runtime};

use super::views::{Kept, Model, add, at_once, close, show_all, start_when_free, sums};
use crate::common::{Command, Ledger, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_runs_while_the_view_is_read_and_commands_run_and_the_result_is_the_same() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..300).await;
    let view = sums(&runtime).start().await.unwrap();
    show_all(&runtime, &view).await;
    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (view, over) = (view.clone(), over.clone());
        async move {
            let (mut reads, mut last) = (0, (30, Position::NONE));
            while !over.load(Ordering::SeqCst) {
                // Ledger 1 is never removed, so it always exists and grows. The position is read
                // first: the rows may show more events, and never fewer.
                let position = view.position();
                let seen = (view.get("ledger 1").unwrap().unwrap().entries, position);
                assert!(seen.0 >= last.0 && seen.1 >= last.1, "{seen:?} after {last:?}");
                // Ledger 1 gets every tenth amount.
                assert!(seen.0 >= (position.get() + 8) / 10, "{seen:?}");
                last = seen;
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    let writing = tokio::spawn({
        let runtime = runtime.clone();
        async move { add(&runtime, 300..500).await }
    });
    for _ in 0..5 {
        view.rebuild().await.unwrap();
    }
    writing.await.unwrap();
    show_all(&runtime, &view).await;
    over.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    Model::of(500).check(&view);
}

#[tokio::test]
async fn a_rebuild_leaves_no_files_of_the_old_view() {
    let (directory, kept) = (tempfile::tempdir().unwrap(), Kept::in_memory());
    let kept = Kept { views: sled::views(directory.path()), ..kept };
    let runtime = kept.open().await;
    add(&runtime, 0..20).await;
    let view = sums(&runtime).start().await.unwrap();
    for _ in 0..3 {
        view.rebuild().await.unwrap();
    }
    Model::of(20).check(&view);
    let names = std::fs::read_dir(directory.path().join("sums")).unwrap();
    let directories = names.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(directories.count(), 1);
    close(runtime, view).await;
    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    assert_eq!(view.position(), Position::new(20));
    Model::of(20).check(&view);
}

#[tokio::test]
async fn a_view_has_one_rebuild_at_a_time_and_none_after_its_stop() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let (first, second) = (view.rebuild(), view.rebuild());
    assert_eq!(second.await, Err(RebuildError::UnderWay));
    first.await.unwrap();
    view.stop().await;
    assert_eq!(view.rebuild().await, Err(RebuildError::Stopped));
}

/// Counts its projected events, and fails at a position.
struct Counting;

static PROJECTED: AtomicU64 = AtomicU64::new(0);
static STUCK_AT: AtomicU64 = AtomicU64::new(u64::MAX);

impl View for Counting {
    type Key = u64;
    type Row = ();
}

impl KeyedProjection<Ledger> for Counting {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        let position = envelope.header.position.get();
        if position == STUCK_AT.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("stuck"));
        }
        PROJECTED.fetch_add(1, Ordering::SeqCst);
        rows.put(position, ());
    }
}

#[tokio::test]
async fn an_interrupted_build_of_a_new_version_continues() {
    const EVENTS: u64 = 3_000;
    let kept = Kept::in_memory();
    let runtime = kept.open().await;
    let view = runtime.keyed::<Counting>("counting").on::<Ledger>();
    let view = view.start().await.unwrap();
    for _ in 0..EVENTS / 5 {
        let add = Command::AddAll(vec![1; 5]);
        runtime.host::<Ledger>().execute("a", add).await.unwrap();
    }
    show_all(&runtime, &view).await;
    drop((view, runtime));
    // Each run gets a little further, and is then dropped with its runtime.
    for stuck_at in [2, 996, 2_001] {
        STUCK_AT.store(stuck_at, Ordering::SeqCst);
        let runtime = kept.open().await;
        let view = start_when_free(|| second(&runtime)).await.unwrap();
        eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
        let FollowerStatus::Halted { position, .. } = view.status() else { unreachable!() };
        assert_eq!(position, Position::new(stuck_at));
        assert_eq!(view.position(), Position::new(EVENTS), "the old view is readable all the time");
        assert_eq!(view.rows().limit(10_000).list().unwrap().len() as u64, EVENTS);
    }
    STUCK_AT.store(u64::MAX, Ordering::SeqCst);
    let before = PROJECTED.load(Ordering::SeqCst);
    let runtime = kept.open().await;
    let view = start_when_free(|| second(&runtime)).await.unwrap();
    // The old view does not change any more, so this is the new one.
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    show_all(&runtime, &view).await;
    assert_eq!(view.rows().limit(10_000).list().unwrap().len() as u64, EVENTS + 1);
    assert_eq!(PROJECTED.load(Ordering::SeqCst) - before, EVENTS - 2_000 + 1);
}

fn second(runtime: &Runtime) -> ProjectionBuilder<Keyed<Counting>> {
    let view = runtime.keyed::<Counting>("counting").on::<Ledger>();
    view.version(2).also_reads(1).retry(at_once())
}

#[tokio::test]
async fn a_rebuild_of_an_empty_view_ends() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    view.rebuild().await.unwrap();
    Model::of(0).check(&view);
}
