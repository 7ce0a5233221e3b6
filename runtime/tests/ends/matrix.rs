//! Each call after each end: it is answered, with the answer that says what ended.

use std::fmt::Write as _;

use actuarius::health::Status;
use actuarius::store::fault::Failure;
use tokio::runtime::{Builder, Runtime as Tokio};

use crate::answer::{Answer, of};
use crate::calls::{CALLS, Needs, answered};
use crate::common::Command;
use crate::scene::Scene;

fn tokio_runtime() -> Tokio {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Makes every call, and fails with all cells that answer otherwise than expected.
pub(crate) async fn every_call(scene: &Scene, expected: impl Fn(&str, Needs) -> Answer) {
    let mut wrong = String::new();
    for (name, needs, call) in CALLS {
        let (answer, expected) = (answered(call(scene)).await, expected(name, *needs));
        if answer != expected {
            writeln!(wrong, "{name}: {answer:?} instead of {expected:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Without an end, every call is answered. So the other rows show what the end has changed.
#[test]
fn while_nothing_has_ended_every_call_is_fine() {
    tokio_runtime().block_on(async {
        let scene = Scene::open().await;
        every_call(&scene, |_, _| Answer::Fine).await;
    });
}

/// A test suite kept its runtime in a static, and each test has a tokio runtime of its own: every call of the
/// second test hung, also those with a resident aggregate, starts and stops. Health said that it runs.
#[test]
fn after_the_tokio_runtime_every_call_is_answered_and_health_says_why() {
    let first = tokio_runtime();
    let scene = first.block_on(Scene::open());
    drop(first);
    assert!(matches!(scene.runtime.health().status, Status::TokioRuntimeEnded));
    let (ended, second) = (Answer::TokioRuntimeEnded, tokio_runtime());
    second.block_on(every_call(&scene, |name, needs| match (name, needs) {
        // It is carried out by tasks of its own, which never run.
        ("forget", _) => Answer::ShutDown,
        (_, Needs::Nothing | Needs::Reader) => Answer::Fine,
        (_, Needs::Aggregate | Needs::Writer | Needs::Start) => ended.clone(),
        (_, Needs::Follower) => Answer::Stopped,
    }));
    second.block_on(async move { drop(scene) });
}

/// The same while the first tokio runtime is still ending, on a thread of its own.
#[test]
fn beside_the_end_of_the_tokio_runtime_every_call_is_answered() {
    let (first, second) = (tokio_runtime(), tokio_runtime());
    let scene = first.block_on(Scene::open());
    first.shutdown_background();
    let mut hangs = String::new();
    second.block_on(async {
        for (name, _, call) in CALLS {
            if answered(call(&scene)).await == Answer::Other("it hangs".to_owned()) {
                writeln!(hangs, "{name}").unwrap();
            }
        }
        drop(scene);
    });
    assert!(hangs.is_empty(), "these hang:\n{hangs}");
}

#[test]
fn after_a_shutdown_every_call_is_answered() {
    tokio_runtime().block_on(async {
        let scene = Scene::open().await;
        assert!(scene.runtime.shutdown(crate::calls::HANGS).await.is_clean());
        every_call(&scene, |name, needs| match needs {
            Needs::Nothing => Answer::Fine,
            // The keys are closed.
            _ if name == "forget" => Answer::ShutDown,
            Needs::Follower => Answer::Stopped,
            Needs::Reader | Needs::Aggregate | Needs::Writer | Needs::Start => Answer::ShutDown,
        })
        .await;
    });
}

/// Handlers are halted by the failure, so what waits for them must say so.
#[test]
fn after_the_store_has_failed_every_call_is_answered() {
    tokio_runtime().block_on(async {
        let (scene, faults) = Scene::with_faults().await;
        faults.fail_commit(1, Failure::Unwritten);
        let failed = of(scene.ledgers.execute("warm", Command::Add(1)).await);
        // Poisoned, if a checkpoint failed first.
        assert!(matches!(failed, Answer::Other(_) | Answer::Poisoned), "indeterminate: {failed:?}");
        assert!(matches!(scene.runtime.health().status, Status::Poisoned(_)));
        every_call(&scene, |name, needs| match (name, needs) {
            ("retry_parked" | "skip_parked" | "reset", _) | (_, Needs::Writer) => Answer::Poisoned,
            // Its checkpoint could not be stored.
            ("start a subscription" | "start a saga again", _) => Answer::ShutDown,
            _ => Answer::Fine,
        })
        .await;
    });
}

/// The handles of a runtime keep it running, whichever of them is left.
#[test]
fn after_the_runtime_handle_every_call_of_the_others_is_fine() {
    tokio_runtime().block_on(async {
        let Scene { runtime, ledgers, sum, rows, errands, directory, .. } = Scene::open().await;
        drop(runtime);
        let receipt = ledgers.execute("warm", Command::Add(1)).await.unwrap();
        drop(ledgers);
        sum.wait_for(receipt.position).await.unwrap();
        rows.wait_for(receipt.position).await.unwrap();
        drop((sum, rows));
        assert!(errands.begin("last", |_| actuarius::saga::Effects::none()).await.unwrap());
        drop((errands, directory));
    });
}
