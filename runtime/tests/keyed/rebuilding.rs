//! A view is built anew beside the one that is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actuarius::persistence::views::Views;
use actuarius::{Envelope, KeyedProjection, Position, RebuildError, Rows, Runtime, View};

use crate::common::Ledger;
use crate::views::{Kept, Model, add, close, start_when_free, sums};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_runs_while_the_view_is_read_and_commands_run_and_the_result_is_the_same() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..300).await;
    let view = sums(&runtime).start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (view, over) = (view.clone(), over.clone());
        async move {
            let mut reads = 0;
            while !over.load(Ordering::SeqCst) {
                // Ledger 1 is never removed, so it is always there and grows.
                assert!(view.get("ledger 1").unwrap().unwrap().entries >= 30);
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
    view.wait_for(runtime.head()).await.unwrap();
    over.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    Model::of(500).check(&view);
}

#[tokio::test]
async fn a_rebuild_leaves_no_files_of_the_old_view_behind() {
    let (directory, kept) = (tempfile::tempdir().unwrap(), Kept::in_memory());
    let kept = Kept { views: Views::on_disk(directory.path()), ..kept };
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
async fn one_rebuild_at_a_time_and_none_of_a_view_that_is_stopped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let (first, second) = (view.rebuild(), view.rebuild());
    assert_eq!(second.await, Err(RebuildError::UnderWay));
    first.await.unwrap();
    view.stop().await;
    assert_eq!(view.rebuild().await, Err(RebuildError::Stopped));
}

/// Counts how often it is asked to project.
struct Counting;

static PROJECTED: AtomicU64 = AtomicU64::new(0);

impl View for Counting {
    type Key = u64;
    type Row = ();
}

impl KeyedProjection<Ledger> for Counting {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Ledger>) {
        PROJECTED.fetch_add(1, Ordering::SeqCst);
        rows.put(envelope.header.position.get(), ());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_version_that_was_interrupted_while_it_was_built_goes_on_where_it_was() {
    // More than is read at once.
    const EVENTS: u64 = 6_000;
    let kept = Kept::in_memory();
    let runtime = kept.open().await;
    let view = runtime.keyed::<Counting>("counting").on::<Ledger>();
    let view = view.start().await.unwrap();
    let writers = (0..60).map(|writer: u64| {
        let ledgers = runtime.host::<Ledger>();
        async move {
            for _ in 0..EVENTS / 60 {
                let add = crate::common::Command::Add(1);
                ledgers.execute(writer.to_string(), add).await.unwrap();
            }
        }
    });
    crate::common::join_all(writers).await;
    view.wait_for(runtime.head()).await.unwrap();
    drop((view, runtime));

    let mut runs = 0;
    loop {
        let runtime = kept.open().await;
        let newer = || {
            let newer = runtime.keyed::<Counting>("counting").on::<Ledger>();
            newer.version(2).also_reads(1)
        };
        let before = PROJECTED.load(Ordering::SeqCst);
        let view = start_when_free(newer).await.unwrap();
        // The old one is read all the while, and it is whole.
        assert_eq!(view.position(), Position::new(EVENTS));
        assert_eq!(view.rows().descending().limit(1).list().unwrap(), [(EVENTS, ())]);
        if runs < 3 {
            let projected = || PROJECTED.load(Ordering::SeqCst);
            crate::common::eventually(|| projected() > before || is_built(&view)).await;
            drop((view, runtime));
            runs += 1;
            continue;
        }
        crate::common::eventually(|| is_built(&view)).await;
        assert_eq!(view.rows().limit(10_000).list().unwrap().len() as u64, EVENTS);
        break;
    }
    // Twice in all, and what was under way when it was dropped: at most one page each time.
    assert!(PROJECTED.load(Ordering::SeqCst) <= 2 * EVENTS + 3 * 4_096);
}

fn is_built(view: &actuarius::Keyed<Counting>) -> bool {
    view.status() == actuarius::FollowerStatus::Live
}

#[tokio::test]
async fn a_rebuild_of_an_empty_view_ends() {
    let runtime: Runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    view.rebuild().await.unwrap();
    Model::of(0).check(&view);
}
