//! Recovery starts from the newest valid snapshot. A bad snapshot costs time, never data.

use actuarius::error::Unavailable;
use actuarius::{Failure, Version};

use super::tally::{Raised, Reshaped, Tally, look, open, stream, written};

#[tokio::test]
async fn recovery_starts_from_the_newest_snapshot() {
    let contents = written().await;
    let (_runtime, tallies, _) = open::<Tally>(&contents).await;
    assert_eq!(look(&tallies).await, (15, 1));
}

#[tokio::test]
async fn a_damaged_snapshot_is_replaced_by_the_one_before_it() {
    let contents = written().await;
    let (_runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.damage_snapshot(&stream("a"), Version::new(4));
    assert_eq!(look(&tallies).await, (15, 3));
}

#[tokio::test]
async fn without_a_valid_snapshot_the_state_is_rebuilt_from_all_events() {
    let contents = written().await;
    let (_runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.damage_snapshot(&stream("a"), Version::new(2));
    faults.damage_snapshot(&stream("a"), Version::new(4));
    assert_eq!(look(&tallies).await, (15, 5));
    tallies.execute("a", 6).await.unwrap();
    assert_eq!(look(&tallies).await.0, 21);
}

#[tokio::test]
async fn a_snapshot_of_another_state_version_is_ignored() {
    let contents = written().await;
    let (_runtime, raised, _) = open::<Raised>(&contents).await;
    assert_eq!(raised.query("a", |it| (it.sum, it.replayed)).await.unwrap(), (15, 5));
}

#[tokio::test]
async fn a_snapshot_that_does_not_decode_is_ignored() {
    let contents = written().await;
    let (_runtime, reshaped, _) = open::<Reshaped>(&contents).await;
    let found = reshaped.query("a", |it| (it.sum.clone(), it.replayed)).await.unwrap();
    assert_eq!(found, ("12345".to_owned(), 5));
}

#[tokio::test]
async fn a_failed_read_quarantines_nothing_and_the_next_request_tries_again() {
    let contents = written().await;
    let (runtime, tallies, faults) = open::<Tally>(&contents).await;
    faults.fail_read(1);
    let error = tallies.query("a", |_| ()).await.unwrap_err();
    assert!(matches!(error, Failure::Unavailable(Unavailable::Recovery(_))), "{error}");
    assert!(error.is_retryable());
    assert_eq!(look(&tallies).await, (15, 1));
    assert!(runtime.health().is_good());
}
