//! Events at which a projection in memory panics: it halts before them, and continues once the
//! cause is fixed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actuarius::error::WaitError;
use actuarius::health::FollowerStatus;
use actuarius::projection::InMemory;
use actuarius::store::Codec;
use actuarius::subscription::Retry;
use actuarius::{Position, Runtime};
use tokio::sync::Mutex;

use super::views::{Entries, POISONED, add, entries, expected};
use crate::common::{Command, Ledger, eventually};

/// Serializes the tests here, which share a flag.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A view of ten entries, a blob at which it panics, and ten more entries.
async fn poisoned(runtime: &Runtime, attempts: u32) -> InMemory<Entries> {
    POISONED.store(true, Ordering::SeqCst);
    add(runtime, 0..10).await;
    runtime.host::<Ledger>().execute("0", Command::Blob(1)).await.unwrap();
    add(runtime, 11..20).await;
    let retry = Retry::default().attempts(attempts).waits(Duration::ZERO, Duration::ZERO);
    let view = runtime.projection::<Entries>("entries").on::<Ledger>().retry(retry);
    view.codec(Codec::Json).start().await.unwrap()
}

fn has_halted(view: &InMemory<Entries>) -> bool {
    matches!(view.status(), FollowerStatus::Halted { .. })
}

#[tokio::test]
async fn a_projection_that_panics_halts_exactly_before_the_event_and_others_continue() {
    let _one = ONE_AT_A_TIME.lock().await;
    let runtime = Runtime::in_memory().await.unwrap();
    let view = poisoned(&runtime, 3).await;
    eventually(|| has_halted(&view)).await;
    let status = view.status();
    let FollowerStatus::Halted { position, why } = &status else { panic!("{status:?}") };
    assert_eq!(*position, Position::new(11));
    assert!(why.contains("ledger/0") && why.contains("a blob is too much"), "{why}");
    assert_eq!(view.read(Clone::clone), expected(10), "nothing of the poison event is in the view");
    assert_eq!((view.position(), view.lag()), (Position::new(10), 10));
    let error = view.wait_for(Position::new(11)).await.unwrap_err();
    assert!(matches!(error, WaitError::Halted { at, .. } if at == Position::new(11)), "{error}");
    assert!(!runtime.health().is_good());
    // Commands and other followers are not affected.
    POISONED.store(false, Ordering::SeqCst);
    add(&runtime, 20..21).await;
    let other = runtime.projection::<Entries>("other").on::<Ledger>().start().await.unwrap();
    other.wait_for(runtime.head()).await.unwrap();
}

#[tokio::test]
async fn a_fixed_projection_resumes_and_has_missed_nothing() {
    let _one = ONE_AT_A_TIME.lock().await;
    let runtime = Runtime::in_memory().await.unwrap();
    let view = poisoned(&runtime, 2).await;
    eventually(|| has_halted(&view)).await;
    POISONED.store(false, Ordering::SeqCst);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|entries| entries.positions.iter().copied().eq(1..=20)));
    assert_eq!(view.status(), FollowerStatus::Live);
    assert!(runtime.health().is_good());
}

/// The pause hid the halt, and counted as another attempt.
#[tokio::test]
async fn a_halted_projection_is_reported_as_halted_while_it_is_paused() {
    let _one = ONE_AT_A_TIME.lock().await;
    let runtime = Runtime::in_memory().await.unwrap();
    let view = poisoned(&runtime, 1).await;
    eventually(|| has_halted(&view)).await;
    view.pause().await;
    POISONED.store(false, Ordering::SeqCst);
    // The test and the projection take turns: by now the projection has noticed the pause.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(has_halted(&view), "{:?}", view.status());
    assert!(!runtime.health().is_good());
    // A new view can project the event.
    view.rebuild().await.unwrap();
    eventually(|| view.status() == FollowerStatus::Paused).await;
    assert!(runtime.health().is_good());
    assert!(view.read(|entries| entries.positions.iter().copied().eq(1..=20)));
}

#[tokio::test]
async fn a_single_panic_is_retried_and_leaves_no_trace() {
    let _one = ONE_AT_A_TIME.lock().await;
    let runtime = Runtime::in_memory().await.unwrap();
    let view = poisoned(&runtime, u32::MAX).await;
    eventually(
        || matches!(view.status(), FollowerStatus::Retrying { attempts, .. } if attempts > 2),
    )
    .await;
    POISONED.store(false, Ordering::SeqCst);
    view.wait_for(runtime.head()).await.unwrap();
    assert!(view.read(|entries| entries.positions.iter().copied().eq(1..=20)));
}

#[tokio::test]
async fn a_rebuild_that_panics_leaves_the_old_view_unchanged() {
    let _one = ONE_AT_A_TIME.lock().await;
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    POISONED.store(false, Ordering::SeqCst);
    ledgers.execute("0", Command::Blob(1)).await.unwrap();
    let view = entries(&runtime).await;
    view.wait_for(runtime.head()).await.unwrap();
    POISONED.store(true, Ordering::SeqCst);
    view.stop().await;
    drop(view);
    let retry = Retry::default().attempts(1);
    let view = runtime.projection::<Entries>("entries").on::<Ledger>().retry(retry);
    let view = view.start().await.unwrap();
    let failed = view.rebuild().await.unwrap_err().to_string();
    assert!(failed.contains("position 1"), "{failed}");
    assert_eq!(view.read(|entries| entries.positions.clone()), [1]);
    add(&runtime, 0..1).await;
    view.wait_for(runtime.head()).await.unwrap();
    POISONED.store(false, Ordering::SeqCst);
}
