//! Views in memory follow the log: every event once, in order, live, paused and under many writers.

use std::time::Duration;

use actuarius::error::{StartError, WaitError};
use actuarius::health::FollowerStatus;
use actuarius::store::fault;
use actuarius::{Position, Runtime};
use tokio_stream::StreamExt;

use super::views::{Entries, add, entries, expected};
use crate::common::{Bell, Command, Ledger, eventually, join_all, open_on};

#[tokio::test]
async fn a_view_catches_up_and_then_follows_live_without_a_gap_or_a_repeat() {
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..50).await;
    let view = entries(&runtime).await;
    add(&runtime, 50..100).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(100));
    assert_eq!((view.position(), view.lag()), (runtime.head(), 0));
    assert_eq!(view.status(), FollowerStatus::Live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_many_writers_a_view_sees_every_position_once_and_in_order() {
    let runtime = Runtime::in_memory().await.unwrap();
    let early = entries(&runtime).await;
    let ledgers = runtime.host::<Ledger>();
    let writers = (0..16).map(move |writer| {
        let ledgers = ledgers.clone();
        async move {
            for amount in 0..100 {
                ledgers
                    .execute(writer.to_string(), Command::AddAll(vec![amount; 3]))
                    .await
                    .unwrap();
            }
        }
    });
    let writing = tokio::spawn(join_all(writers));
    eventually(|| early.position() > Position::new(500)).await;
    // Starts during the writes, at the beginning of the log.
    let late = runtime.projection::<Entries>("late").on::<Ledger>().start().await.unwrap();
    writing.await.unwrap();
    for view in [early, late] {
        view.wait_for(runtime.head()).await.unwrap();
        let positions = view.read(|entries| entries.positions.clone());
        assert!(positions.iter().copied().eq(1..=16 * 100 * 3));
    }
}

#[tokio::test]
async fn a_view_may_follow_several_types_and_skips_all_others() {
    let runtime = Runtime::in_memory().await.unwrap();
    let both = runtime.projection::<Entries>("both").on::<Ledger>().on::<Bell>();
    let both = both.start().await.unwrap();
    let bells = runtime.projection::<Entries>("bells").on::<Bell>().start().await.unwrap();
    add(&runtime, 0..3).await;
    let receipt = runtime.host::<Bell>().execute("tower", ()).await.unwrap();
    add(&runtime, 3..5).await;
    both.wait_for(runtime.head()).await.unwrap();
    bells.wait_for(runtime.head()).await.unwrap();
    assert_eq!(both.read(|view| view.positions.clone()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(bells.read(|view| view.positions.clone()), [receipt.position.get()]);
    assert_eq!(bells.position(), runtime.head());
}

#[tokio::test]
async fn a_paused_view_does_not_change_and_misses_nothing() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    add(&runtime, 10..20).await;
    assert_eq!(view.read(Clone::clone), expected(10));
    assert_eq!(view.lag(), 10);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(20));
}

#[tokio::test]
async fn a_wait_that_times_out_reports_the_position_of_the_view() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    let error = view.wait_for_within(Position::new(1), Duration::ZERO).await.unwrap_err();
    let (name, reached) = ("entries".to_owned(), Position::NONE);
    assert_eq!(error, WaitError::TimedOut { name, wanted: Position::new(1), reached });
}

#[tokio::test]
async fn a_wait_for_a_stopped_view_ends() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    view.stop().await;
    let error = view.wait_for(Position::new(1)).await.unwrap_err();
    assert_eq!(error, WaitError::Stopped { name: "entries".to_owned() });
}

#[tokio::test]
async fn changes_return_each_new_value_and_only_the_newest_to_a_slow_reader() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    let mut counts = view.changes(|entries| entries.positions.len());
    assert_eq!(counts.next().await, Some(0));
    add(&runtime, 0..1).await;
    assert_eq!(counts.next().await, Some(1));
    add(&runtime, 1..9).await;
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(counts.next().await, Some(9));
}

#[tokio::test]
async fn names_are_checked_and_belong_to_one_view_at_a_time() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = entries(&runtime).await;
    let start = |name: &str| runtime.projection::<Entries>(name).on::<Ledger>().start();
    assert!(matches!(start("entries").await, Err(StartError::NameTaken(_))));
    for name in ["", ".hidden", "a/b", "ä", &"x".repeat(129)] {
        assert!(matches!(start(name).await, Err(StartError::InvalidName(_))), "{name}");
    }
    let nothing = runtime.projection::<Entries>("nothing").start().await;
    assert!(matches!(nothing, Err(StartError::FollowsNothing(_))));
    view.stop().await;
    drop(view);
    start("entries").await.unwrap();
}

/// Names of short-lived views accumulated in memory and in the health report.
#[tokio::test]
async fn a_stopped_view_is_no_longer_among_the_followers() {
    let runtime = Runtime::in_memory().await.unwrap();
    for task in 0..3 {
        let view = runtime.projection::<Entries>(format!("task-{task}")).on::<Ledger>();
        let view = view.start().await.unwrap();
        assert_eq!(runtime.health().followers.len(), 1);
        view.stop().await;
        assert_eq!(runtime.health().followers.len(), 0);
    }
}

#[tokio::test]
async fn a_failed_store_leaves_views_readable_without_events_that_are_not_durable() {
    let contents = std::sync::Arc::default();
    let (runtime, faults) = open_on(&contents).await;
    let view = entries(&runtime).await;
    add(&runtime, 0..5).await;
    view.wait_for(runtime.head()).await.unwrap();
    faults.fail_commit(1, fault::Failure::Unwritten);
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("0", Command::Add(9)).await.unwrap_err();
    assert_eq!(view.read(Clone::clone), expected(5));
    assert_eq!(view.lag(), 0);
}
