//! Tests of a projection whose actor fails and that cannot be opened again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use actuarius_persistence::{Commit, memory};

use super::*;
use crate::base::home_runtime::HomeRuntime;
use crate::base::panics::caught;
use crate::builder::RuntimeBuilder;
use crate::engine::pool::Pool;
use crate::follow::followers::{FollowerKind, Followers};

/// A target that makes its actor fail at the first opportunity.
struct Bursting {
    bursts: bool,
}

impl Target for Bursting {
    fn position(&self) -> Position {
        Position::NONE
    }

    fn take(&mut self, _: &[Commit]) -> Result<u64, Failed> {
        unreachable!("there are no events")
    }

    fn is_save_due(&self) -> bool {
        self.bursts
    }

    fn save(&mut self) {
        if self.bursts {
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            std::panic::resume_unwind(Box::new("the save burst"));
        }
    }

    fn serve(&mut self) -> Result<(), Failed> {
        unreachable!("there is no rebuild")
    }
}

fn manner() -> Manner {
    Manner { retry: Retry::default(), batch_time: Duration::ZERO }
}

/// Its first target panics. Then it fails to open a set number of times.
struct Refusing {
    first: AtomicBool,
    refusals: AtomicU32,
}

impl Source<Bursting> for Refusing {
    fn open(&self) -> Result<Opened<Bursting>, StartError> {
        if self.first.swap(false, Ordering::SeqCst) {
            return Ok(Opened { target: Bursting { bursts: true }, older: None });
        }
        let less = |left: u32| left.checked_sub(1);
        match self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err(StartError::OtherStore("report".to_owned())),
            Err(_) => Ok(Opened { target: Bursting { bursts: false }, older: None }),
        }
    }

    fn fresh(&self) -> Result<Bursting, Failed> {
        unreachable!("there is no rebuild")
    }
}

async fn engine() -> Arc<Engine> {
    let home = HomeRuntime::current().unwrap();
    let work_pool = Pool::for_work(&home).unwrap();
    RuntimeBuilder::default()
        .engine(home, work_pool, memory::open(), crate::engine::keyring::Keyring::none())
        .await
        .unwrap()
}

async fn refusing(refusals: u32) -> Arc<FollowerShared> {
    let engine = engine().await;
    let followers = Arc::new(Followers::of(&engine.tail, &engine.timer));
    let registration = followers.register("report", FollowerKind::Projection).unwrap();
    let source = Refusing { first: true.into(), refusals: refusals.into() };
    let source: Arc<dyn Source<_>> = Arc::new(source);
    let (hosted, _) = start(&engine, registration, manner(), source).await.unwrap();
    hosted.shared
}

async fn until_halted(shared: &FollowerShared) -> String {
    let is_halted = |status: &FollowerStatus| matches!(status, FollowerStatus::Halted { .. });
    shared.until(is_halted).await;
    match shared.status() {
        FollowerStatus::Halted { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

async fn stop(shared: &FollowerShared) {
    shared.want(DesiredState::Stop);
    shared.until(|status| *status == FollowerStatus::Stopped).await;
}

#[tokio::test(start_paused = true)]
async fn a_view_is_reopened_until_it_succeeds() {
    let shared = refusing(3).await;
    shared.until(|status| matches!(status, FollowerStatus::Retrying { .. })).await;
    shared.until(|status| *status == FollowerStatus::Live).await;
    stop(&shared).await;
}

/// A failed reopening must not end it as if it had been stopped: health must be bad.
#[tokio::test(start_paused = true)]
async fn a_view_that_cannot_be_reopened_halts_until_it_is_resumed() {
    let shared = refusing(4).await;
    let why = until_halted(&shared).await;
    assert!(why.contains("it could not be opened again"), "{why}");
    shared.want(DesiredState::Run);
    shared.until(|status| *status == FollowerStatus::Live).await;
    stop(&shared).await;
}

/// A view that had to be erased could not be opened. Its projection ended and was reported as stopped, so that health was
/// good and nobody was told.
#[tokio::test]
async fn a_view_that_cannot_be_reopened_for_an_erasure_fails_its_actor() {
    let engine = engine().await;
    let followers = Arc::new(Followers::of(&engine.tail, &engine.timer));
    let registration = followers.register("report", FollowerKind::Projection).unwrap();
    let source = Refusing { first: true.into(), refusals: 1.into() };
    let (_sender, orders) = mpsc::channel(1);
    let parts: Parts<Bursting> = (manner(), Arc::new(source), orders);
    let mut host = Host::of(&engine, registration.shared(), parts);
    host.open().await.unwrap();
    let why = caught(host.reopen_view()).await.unwrap_err();
    assert!(why.contains("the view could not be opened"), "{why}");
    host.reopen_view().await;
    assert!(host.cursor.is_some());
}
