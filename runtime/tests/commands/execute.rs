//! The answers that `execute` and `query` promise to their callers: receipts, rejections, conflicts
//! and panics.

use std::time::Duration;

use actuarius::error::{Place, Written};
use actuarius::{ExecuteError, Expected, Failure, Position, Runtime, Version};

use crate::common::{Command, Ledger, Refused};

#[tokio::test]
async fn a_receipt_names_version_and_position() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let first = ledgers.execute("a", Command::Add(5)).await.unwrap();
    assert_eq!(
        (first.version, first.position, first.events),
        (Version::new(1), Position::new(1), 1)
    );
    let other = ledgers.execute("b", Command::AddAll(vec![1, 2])).await.unwrap();
    assert_eq!(
        (other.version, other.position, other.events),
        (Version::new(2), Position::new(3), 2)
    );
    let empty = ledgers.execute("a", Command::Nothing).await.unwrap();
    assert_eq!(
        (empty.version, empty.position, empty.events),
        (Version::new(1), Position::new(1), 0)
    );
    assert_eq!(ledgers.query("b", |it| it.total).await.unwrap(), 3);
}

#[tokio::test]
async fn a_returned_value_is_computed_from_the_state_after_the_command() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let total = ledgers.execute("a", Command::Add(5)).returning(|it| it.total).await.unwrap();
    assert_eq!(total, 5);
}

#[tokio::test]
async fn a_rejection_writes_nothing() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let error = ledgers.execute("a", Command::Refuse).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Rejected(Refused)));
    assert!(!ledgers.exists("a").await.unwrap());
}

#[tokio::test]
async fn an_unexpected_version_is_a_conflict() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let receipt = ledgers.execute("a", Command::Add(1)).expect(Expected::NEW).await.unwrap();
    ledgers.execute("a", Command::Add(1)).expect(receipt.version).await.unwrap();
    let error = ledgers.execute("a", Command::Add(1)).expect(receipt.version).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert!(failure.is_conflict() && failure.written() == Written::No);
}

#[tokio::test]
async fn a_panic_in_decide_leaves_the_aggregate_usable() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let error = ledgers.execute("a", Command::PanicInDecide).await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Panicked { place: Place::Decide, .. })));
    assert_eq!(ledgers.execute("a", Command::Add(1)).await.unwrap().version, Version::new(1));
}

#[tokio::test]
async fn a_panic_in_returning_reports_that_the_command_is_durable() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let error = ledgers
        .execute("a", Command::Add(1))
        .returning(|_| -> i64 { panic!("oh") })
        .await
        .unwrap_err();
    assert_eq!(error.failure().unwrap().written(), Written::Yes);
    assert_eq!(ledgers.version("a").await.unwrap(), Version::new(1));
}

#[tokio::test]
async fn a_panic_in_apply_quarantines_that_aggregate_alone() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let error = ledgers.execute("a", Command::PanicInApply).await.unwrap_err();
    assert!(
        matches!(error.failure(), Some(Failure::Quarantined(why)) if why.version == Version::new(2))
    );
    let error = ledgers.query("a", |it| it.total).await.unwrap_err();
    assert!(matches!(error, Failure::Quarantined(_)));
    assert_eq!(runtime.health().quarantined.len(), 1);
    ledgers.execute("b", Command::Add(1)).await.unwrap();
    assert!(ledgers.release("a").unwrap());
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 1);
    assert!(runtime.health().is_good());
}

#[tokio::test]
async fn the_same_command_id_gets_the_first_receipt_back() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let first = ledgers.execute("a", Command::Add(1)).command_id("one").await.unwrap();
    ledgers.execute("a", Command::Add(1)).command_id("two").await.unwrap();
    let again = ledgers.execute("a", Command::Add(1)).command_id("one").await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.version, again.position), (first.version, first.position));
    assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), 2);
}

#[tokio::test]
async fn unusual_ids_are_refused_or_kept_exactly() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in ["\0", "/", "a/b", "ä", &"x".repeat(512)] {
        ledgers.execute(id, Command::Add(1)).await.unwrap();
        assert_eq!(ledgers.query(id, |it| it.total).await.unwrap(), 1);
    }
    for id in ["", &"x".repeat(513)] {
        let error = ledgers.execute(id, Command::Add(1)).await.unwrap_err();
        assert!(matches!(error.failure(), Some(Failure::InvalidId(_))));
    }
}

#[tokio::test]
async fn a_shutdown_finishes_accepted_commands_and_refuses_new_ones() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let report = runtime.shutdown(Duration::from_secs(30)).await;
    assert!(report.is_clean(), "{report:?}");
    let error = ledgers.execute("a", Command::Add(1)).await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Unavailable(_))));
}

/// The query came after the panic in the same turn, and was answered from the half-changed state.
#[tokio::test]
async fn a_query_after_a_panic_in_apply_is_refused() {
    let (store, faults) = actuarius::store::fault::over(actuarius::store::memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let first = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let bomb = crate::common::send(ledgers.execute("a", Command::PanicInApply));
    let query = crate::common::send(ledgers.query("a", |it| it.total));
    hold.release();
    first.await.unwrap();
    assert!(matches!(bomb.await.unwrap_err().failure(), Some(Failure::Quarantined(_))));
    assert!(matches!(query.await, Err(Failure::Quarantined(_))));
}
