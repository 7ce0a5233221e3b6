//! Rebuilding a view in memory next to the one that is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::projection::RebuildError;
use actuarius::{Position, Runtime};

use super::views::{add, entries, expected};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_runs_next_to_the_view_which_never_goes_back() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..500).await;
    let view = entries(&runtime).await;
    view.wait_for(runtime.head()).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (view, over) = (view.clone(), over.clone());
        async move {
            let (mut seen, mut reads) = (Position::NONE, 0);
            while !over.load(Ordering::SeqCst) {
                let now = view.read_at(|entries, position| {
                    assert_eq!(entries.positions.len() as u64, position.get());
                    position
                });
                assert!(now >= seen, "went back from {seen} to {now}");
                (seen, reads) = (now, reads + 1);
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    let writing = tokio::spawn({
        let runtime = runtime.clone();
        async move { add(&runtime, 500..800).await }
    });
    for _ in 0..5 {
        view.rebuild().await.unwrap();
    }
    writing.await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    over.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    assert_eq!(view.read(Clone::clone), expected(800));
}

#[tokio::test]
async fn a_view_has_one_rebuild_at_a_time_and_none_after_its_stop() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    let (first, second) = (view.rebuild(), view.rebuild());
    assert_eq!(second.await, Err(RebuildError::UnderWay));
    first.await.unwrap();
    view.stop().await;
    assert_eq!(view.rebuild().await, Err(RebuildError::Stopped));
}
