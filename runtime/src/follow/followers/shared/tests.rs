//! Tests of the status of a follower, and of waits for it.

use super::*;

fn shared(head: u64) -> FollowerShared {
    let (tail, timer) = (Tail::at(Position::new(head)), Timer::start().unwrap());
    FollowerShared::new("view".into(), FollowerKind::Projection, tail, timer)
}

fn halted(at: u64) -> FollowerStatus {
    FollowerStatus::Halted { position: Position::new(at), why: "no".to_owned() }
}

/// A pause must not hide a halt: health must stay bad until the cause is fixed.
#[test]
fn a_halt_is_reported_until_a_request_to_resume() {
    let shared = shared(9);
    shared.now(halted(4));
    shared.want(DesiredState::Pause);
    shared.now(FollowerStatus::Paused);
    assert_eq!(shared.status(), halted(4));
    shared.want(DesiredState::Run);
    assert_eq!(shared.status(), FollowerStatus::CatchingUp);
}

#[test]
fn a_follower_that_rewinds_is_catching_up_until_the_end() {
    let shared = shared(9);
    shared.reached(Position::new(9));
    assert_eq!(shared.status(), FollowerStatus::Live);
    shared.reached(Position::new(2));
    assert_eq!(shared.status(), FollowerStatus::CatchingUp);
    shared.reached(Position::new(8));
    assert_eq!(shared.status(), FollowerStatus::CatchingUp);
    shared.reached(Position::new(9));
    assert_eq!(shared.status(), FollowerStatus::Live);
}

#[tokio::test]
async fn only_a_halt_at_the_position_or_before_it_ends_a_wait() {
    let shared = shared(9);
    shared.now(halted(5));
    let wait =
        |position| shared.wait_for_within(Position::new(position), Duration::from_millis(50));
    assert!(matches!(wait(4).await, Err(WaitError::TimedOut { .. })));
    for position in [5, 6] {
        assert!(matches!(wait(position).await, Err(WaitError::Halted { .. })));
    }
    shared.reached(Position::new(4));
    shared.now(halted(5));
    assert_eq!(wait(4).await, Ok(()));
}

#[test]
fn a_stop_is_final() {
    let shared = shared(9);
    shared.want(DesiredState::Stop);
    shared.now(FollowerStatus::Stopped);
    shared.want(DesiredState::Run);
    shared.reached(Position::new(9));
    assert_eq!(shared.status(), FollowerStatus::Stopped);
    assert_eq!(shared.wanted().borrow().0, DesiredState::Stop);
}

/// A rebuild failed while a deletion waited for it: the deletion waited its whole time for a view that nobody built, and
/// while the view was halted it asked again and again.
#[tokio::test]
async fn a_wait_for_a_rebuild_ends_when_the_rebuild_fails_or_the_view_halts() {
    let (shared, to) = (shared(9), Position::new(9));
    shared.reached(to);
    shared.building.begins(Progress::at(Position::new(2)));
    assert!(!shared.has_finished(to));
    let failing = async {
        tokio::task::yield_now().await;
        shared.building.ends();
    };
    let (waited, ()) = tokio::join!(shared.wait_for_all(to), failing);
    waited.unwrap();
    shared.building.begins(Progress::at(Position::new(2)));
    shared.now(halted(9));
    assert!(matches!(shared.wait_for_all(to).await, Err(WaitError::Halted { .. })));
    shared.building.reached(to);
    shared.wait_for_all(to).await.unwrap();
}

/// A subscription that was about to start was no follower of the type yet: a deletion did not wait for it.
#[test]
fn a_follower_that_is_about_to_start_may_follow_any_type() {
    let shared = shared(9);
    assert!(shared.follows("account"));
    shared.set_types(["order"]);
    assert!(shared.follows("order") && !shared.follows("account"));
}

/// A view fell hours behind, and its lag was found in no log.
#[test]
fn a_large_lag_is_reported_once_until_it_is_small_again() {
    let shared = shared(LAGGING_FROM);
    let reported = |at: u64| {
        shared.reached(Position::new(at));
        shared.report_lag();
        shared.lags.load(Ordering::Relaxed)
    };
    assert!(!reported(1));
    assert!(!shared.health().is_lagging);
    shared.reached(Position::NONE);
    assert!(shared.health().is_lagging);
    assert!(reported(0) && reported(1) && reported(LAGGING_FROM / 2));
    assert!(!reported(LAGGING_FROM / 2 + 1));
}
