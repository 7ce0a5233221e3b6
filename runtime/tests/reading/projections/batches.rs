//! A view in memory that keeps up lets events gather and takes them together, but makes no caller wait for that.

use std::time::Duration;

use actuarius::{Position, Runtime};

use super::views::{Entries, add, entries, expected};
use crate::common::{Command, Ledger, eventually};

/// Longer than any test takes: what has gathered is taken for another reason.
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn no_caller_waits_until_events_have_gathered() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = runtime.projection::<Entries>("slow").batch_time(LONG).on::<Ledger>();
    let view = view.start().await.unwrap();
    add(&runtime, 0..1).await;
    eventually(|| view.position() == Position::new(1)).await;
    for amount in 1..20 {
        let command =
            runtime.host::<Ledger>().execute((amount % 10).to_string(), Command::Add(amount));
        command.consistent_with(&view).await.unwrap();
        assert_eq!(view.read(Clone::clone), expected(amount + 1));
    }
    add(&runtime, 20..30).await;
    runtime.caught_up(Duration::from_secs(60)).await.unwrap();
    assert_eq!(view.read(Clone::clone), expected(30));
}

/// The lag of a view that lets events gather has a bound, whatever time is set: beyond it nothing is gained.
#[tokio::test]
async fn a_full_batch_is_taken_before_its_time() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = runtime.projection::<Entries>("slow").batch_time(LONG).on::<Ledger>();
    let view = view.start().await.unwrap();
    add(&runtime, 0..1).await;
    eventually(|| view.position() == Position::new(1)).await;
    let ledgers = runtime.host::<Ledger>();
    // Two commands: together they are enough, alone they are not.
    for _ in 0..2 {
        ledgers.execute("a", Command::AddAll(vec![1; 2_500])).await.unwrap();
    }
    eventually(|| view.position() == Position::new(5_001)).await;
}

#[tokio::test]
async fn a_view_without_a_batch_time_shows_each_event_as_soon_as_it_can() {
    let runtime = Runtime::in_memory().await.unwrap();
    let usual = entries(&runtime).await;
    let view = runtime.projection::<Entries>("eager").batch_time(Duration::ZERO).on::<Ledger>();
    let view = view.start().await.unwrap();
    for amount in 0..20 {
        add(&runtime, amount..amount + 1).await;
        let head = runtime.head();
        eventually(|| view.position() == head).await;
    }
    // Without a caller that waits for it, too.
    eventually(|| usual.position() == Position::new(20)).await;
    assert_eq!(usual.read(Clone::clone), expected(20));
}
