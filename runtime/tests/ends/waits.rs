//! Waits that have begun when something ends: each is answered, too.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use actuarius::{Position, Runtime};
use tokio::runtime::{Builder, Runtime as Tokio};
use tokio_stream::StreamExt;

use crate::answer::{Answer, of};
use crate::calls::HANGS;
use crate::scene::Scene;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn tokio_runtime() -> Tokio {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

type Wait = (&'static str, Pin<Box<dyn Future<Output = Answer> + Send>>);

/// Everything that waits for something that will not come.
fn waits(scene: &Scene) -> Vec<Wait> {
    let never = Position::new(u64::MAX);
    let (sum, rows, mailer) = (scene.sum.clone(), scene.rows.clone(), scene.mailer.clone());
    let (errands, settling) = (scene.errands.clone(), scene.errands.clone());
    let (mut totals, mut moves) = (sum.changes(|sum| sum.0), rows.changes());
    let mut row = rows.changes_of("warm");
    vec![
        ("a view", Box::pin(async move { of(sum.wait_for_within(never, LONG).await) })),
        ("rows", Box::pin(async move { of(rows.wait_for_within(never, LONG).await) })),
        ("a subscription", Box::pin(async move { of(mailer.wait_for_within(never, LONG).await) })),
        ("a saga", Box::pin(async move { of(errands.wait_for_within(never, LONG).await) })),
        ("its instances", Box::pin(async move { of(settling.settled(LONG).await) })),
        (
            "changes",
            Box::pin(async move {
                while totals.next().await.is_some() {}
                Answer::Stopped
            }),
        ),
        (
            "changes of rows",
            Box::pin(async move {
                while moves.next().await.is_some() {}
                Answer::Stopped
            }),
        ),
        (
            "changes of a row",
            Box::pin(async move {
                while row.next().await.is_some() {}
                Answer::Stopped
            }),
        ),
    ]
}

/// Begins the waits in `tokio`, lets something end, and returns those that are not answered as expected.
fn wrong(tokio: &Tokio, waits: Vec<Wait>, end: impl FnOnce(), expected: &[Answer]) -> Vec<String> {
    let waits: Vec<_> = waits
        .into_iter()
        .map(|(name, mut wait)| {
            let is_ready = tokio.block_on(poll_once(&mut wait));
            assert!(!is_ready, "{name} does not wait");
            (name, tokio.spawn(async move { tokio::time::timeout(HANGS, wait).await }))
        })
        .collect();
    end();
    let mut wrong = Vec::new();
    for (name, wait) in waits {
        match tokio.block_on(wait).unwrap() {
            Ok(answer) if expected.contains(&answer) => {}
            answer => wrong.push(format!("{name}: {answer:?}")),
        }
    }
    wrong
}

/// Polls once, and returns whether it was ready.
async fn poll_once(wait: &mut Pin<Box<dyn Future<Output = Answer> + Send>>) -> bool {
    let mut polled = false;
    std::future::poll_fn(|context| {
        polled = wait.as_mut().poll(context).is_ready();
        std::task::Poll::Ready(())
    })
    .await;
    polled
}

/// The tasks that they waited for were dropped without an answer.
#[test]
fn waits_in_another_tokio_runtime_are_answered_when_the_first_one_ends() {
    let (first, second) = (tokio_runtime(), tokio_runtime());
    let scene = first.block_on(Scene::open());
    let waits = waits(&scene);
    let expected = [Answer::Stopped, Answer::TokioRuntimeEnded];
    assert_eq!(wrong(&second, waits, || drop(first), &expected), Vec::<String>::new());
    second.block_on(async move { drop(scene) });
}

/// It asks the instance first whether it has ended.
#[test]
fn a_wait_for_the_end_of_an_instance_is_answered_when_the_first_one_ends() {
    let (first, second) = (tokio_runtime(), tokio_runtime());
    let scene = first.block_on(Scene::open());
    let errands = scene.errands.clone();
    let ending: Wait = ("its end", Box::pin(async move { of(errands.end_of("first").await) }));
    // The saga may have stopped before the last task has.
    let expected = [Answer::TokioRuntimeEnded, Answer::ShutDown];
    assert_eq!(wrong(&second, vec![ending], || drop(first), &expected), Vec::<String>::new());
    second.block_on(async move { drop(scene) });
}

/// A page that shows a view live once kept a service from shutting down: its stream did not end.
#[test]
fn waits_are_answered_by_a_shutdown() {
    let (first, second) = (tokio_runtime(), tokio_runtime());
    let scene = first.block_on(Scene::open());
    let (waits, runtime): (_, Runtime) = (waits(&scene), scene.runtime.clone());
    let shutdown = || {
        let _ = first.block_on(runtime.shutdown(HANGS));
    };
    let expected = [Answer::Stopped, Answer::ShutDown];
    assert_eq!(wrong(&second, waits, shutdown, &expected), Vec::<String>::new());
    first.block_on(async move { drop(scene) });
}

/// The future holds no handle, so the runtime may be dropped beside it.
#[test]
fn a_stop_that_is_awaited_is_answered_when_the_runtime_is_dropped() {
    let tokio = tokio_runtime();
    tokio.block_on(async {
        let scene = Scene::open().await;
        let (stop, rebuild) = (scene.mailer.stop(), scene.sum.rebuild());
        drop(scene);
        tokio::time::timeout(HANGS, stop).await.expect("it is answered");
        let _ = tokio::time::timeout(HANGS, rebuild.into_future()).await.expect("it is answered");
    });
}
