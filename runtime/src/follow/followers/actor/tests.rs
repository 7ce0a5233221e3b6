//! Tests of a follower whose actor fails. No code outside of this library makes one fail.

use std::sync::atomic::AtomicU32;

use actuarius_persistence::memory;

use super::super::{FollowerKind, Followers};
use super::*;
use crate::base::home_runtime::HomeRuntime;
use crate::builder::RuntimeBuilder;
use crate::engine::pool::Pool;

/// A follower that fails a set number of times, then runs until it is stopped.
#[derive(Clone)]
struct Failing(Arc<Inner>);

struct Inner {
    shared: Arc<FollowerShared>,
    /// How often it fails, and whether it advances before each failure.
    failures: AtomicU32,
    advances: AtomicBool,
    /// How often it cannot be opened again.
    refusals: AtomicU32,
    runs: AtomicU32,
}

impl Failing {
    fn one_less(left: &AtomicU32) -> bool {
        let less = |left: u32| left.checked_sub(1);
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    async fn until_stopped(&self) {
        let Inner { shared, failures, advances, runs, .. } = &*self.0;
        runs.fetch_add(1, Ordering::SeqCst);
        if advances.load(Ordering::SeqCst) {
            shared.reached(shared.progress.position().next());
        }
        if Self::one_less(failures) {
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("it burst"));
        }
        shared.now(FollowerStatus::Live);
        let _ = shared.wanted().wait_for(|(wanted, _)| *wanted == DesiredState::Stop).await;
    }

    fn shared(&self) -> &FollowerShared {
        &self.0.shared
    }

    fn runs(&self) -> u32 {
        self.0.runs.load(Ordering::SeqCst)
    }

    async fn until_live(&self) {
        self.shared().until(|status| *status == FollowerStatus::Live).await;
    }

    async fn until_halted(&self) -> String {
        let is_halted = |status: &FollowerStatus| matches!(status, FollowerStatus::Halted { .. });
        self.shared().until(is_halted).await;
        match self.shared().status() {
            FollowerStatus::Halted { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(&self) {
        self.shared().want(DesiredState::Stop);
        self.shared().until(|status| *status == FollowerStatus::Stopped).await;
    }
}

impl Runs for Failing {
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        let refused = Self::one_less(&self.0.refusals);
        Box::pin(ready(if refused { Err("the file is gone".into()) } else { Ok(()) }))
    }

    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.until_stopped())
    }
}

/// Returns the followers, and one of them that fails so often.
async fn failing(failures: u32) -> (Arc<Followers>, Failing) {
    let home = HomeRuntime::current().unwrap();
    let work_pool = Pool::for_work(&home).unwrap();
    let engine = RuntimeBuilder::default()
        .engine(home, work_pool, memory::open(), crate::engine::keyring::Keyring::none())
        .await
        .unwrap();
    let followers = Arc::new(Followers::of(&engine.tail, &engine.timer));
    let registration = followers.register("failing", FollowerKind::Projection).unwrap();
    let runs = Failing(Arc::new(Inner {
        shared: registration.keep(),
        failures: failures.into(),
        advances: false.into(),
        refusals: 0.into(),
        runs: 0.into(),
    }));
    start(&engine, runs.0.shared.clone(), runs.clone());
    (followers, runs)
}

#[tokio::test(start_paused = true)]
async fn a_follower_whose_actor_fails_four_times_continues() {
    let (_, follower) = failing(4).await;
    follower.until_live().await;
    assert_eq!(follower.runs(), 5);
    follower.stop().await;
}

/// After the fifth failure, `resume` must start an actor again, and `stop` must not wait forever.
#[tokio::test(start_paused = true)]
async fn at_the_fifth_failure_it_halts_until_it_is_asked_to_resume() {
    let (_, follower) = failing(5).await;
    assert_eq!(follower.until_halted().await, "its actor failed: it burst");
    assert_eq!(follower.runs(), 5);
    follower.shared().want(DesiredState::Run);
    follower.until_live().await;
    assert_eq!(follower.runs(), 6);
    follower.stop().await;
}

/// It halts again at the fifth failure after that, not at the first.
#[tokio::test(start_paused = true)]
async fn resumed_it_has_all_its_attempts_again() {
    let (_, follower) = failing(10).await;
    follower.until_halted().await;
    follower.shared().want(DesiredState::Run);
    follower.until_halted().await;
    assert_eq!(follower.runs(), 10);
    follower.stop().await;
}

#[tokio::test(start_paused = true)]
async fn halted_by_failures_it_can_be_stopped_and_its_name_is_free() {
    let (followers, follower) = failing(5).await;
    follower.until_halted().await;
    follower.stop().await;
    assert!(followers.register("failing", FollowerKind::Projection).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_neither_hides_a_halt_nor_retries() {
    let (_, follower) = failing(5).await;
    follower.until_halted().await;
    follower.shared().want(DesiredState::Pause);
    tokio::time::sleep(Duration::from_secs(60)).await;
    follower.until_halted().await;
    assert_eq!(follower.runs(), 5);
    follower.stop().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_again_after_it_has_advanced() {
    let (_, follower) = failing(20).await;
    follower.0.advances.store(true, Ordering::SeqCst);
    follower.until_live().await;
    assert_eq!(follower.runs(), 21);
    follower.stop().await;
}

/// A failed reopening must not end it silently.
#[tokio::test(start_paused = true)]
async fn a_follower_that_cannot_be_reopened_is_retried_and_then_halts() {
    let (_, follower) = failing(1).await;
    follower.0.refusals.store(4, Ordering::SeqCst);
    let why = follower.until_halted().await;
    assert_eq!(why, "its actor failed: it could not be opened again: the file is gone");
    assert_eq!(follower.runs(), 1);
    follower.shared().want(DesiredState::Run);
    follower.until_live().await;
    assert_eq!(follower.runs(), 2);
    follower.stop().await;
}
