//! Histories from and to any moment, and the differences between two moments.

use actuarius::{Hosting, Position, Version};
use serde_json::json;

use super::scene::{Scene, second};

/// Writes 1 to 6 to "a", one each second from the first on, and other events to "b" in between.
async fn written() -> Scene {
    let scene = Scene::open(Hosting::default().snapshot_every(2).snapshots_kept(9)).await;
    for amount in 1..=6 {
        scene.clock.set(second(amount));
        scene.add("a", amount).await;
        scene.add("b", 100).await;
    }
    scene
}

#[tokio::test]
async fn a_history_ends_at_a_moment_of_any_kind() {
    let scene = written().await;
    let history = || scene.ledgers.history("a").from(Version::new(2));
    for mut history in [
        history().until(Version::new(4)),
        history().until(Position::new(8)),
        history().until(second(4)),
    ] {
        let mut totals = Vec::new();
        while let Some(step) = history.next().await.unwrap() {
            totals.push(step.state.total);
        }
        assert_eq!(totals, [3, 6, 10]);
    }
}

#[tokio::test]
async fn a_history_read_to_its_end_continues_with_new_events() {
    let scene = written().await;
    let mut history = scene.ledgers.history("a").from(Version::new(6));
    assert_eq!(history.next().await.unwrap().unwrap().state.total, 21);
    for amount in 7..9 {
        assert!(history.next().await.unwrap().is_none());
        scene.add("a", amount).await;
        let step = history.next().await.unwrap().expect("the version exists");
        assert_eq!(step.envelope.header.version.get(), amount as u64);
    }
}

#[tokio::test]
async fn a_history_from_a_future_version_begins_when_the_version_exists() {
    let scene = written().await;
    let mut history = scene.ledgers.history("a").from(Version::new(8));
    assert!(history.next().await.unwrap().is_none());
    scene.add("a", 7).await;
    assert!(history.next().await.unwrap().is_none());
    scene.add("a", 8).await;
    let step = history.next().await.unwrap().expect("the version exists");
    assert_eq!((step.envelope.header.version.get(), step.state.total), (8, 36));
}

#[tokio::test]
async fn a_step_that_is_dropped_skips_no_event() {
    let scene = written().await;
    let mut history = scene.ledgers.history("a");
    let mut totals = Vec::new();
    for tries in 0.. {
        let next = history.next();
        // Polled a few times only, and then dropped.
        let step = tokio::select! {
            biased;
            step = next => step.unwrap(),
            () = yield_times(tries) => continue,
        };
        let Some(step) = step else { break };
        totals.push(step.state.total);
    }
    assert_eq!(totals, [1, 3, 6, 10, 15, 21]);
}

async fn yield_times(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_diff_has_both_states_the_fields_and_the_events_in_between() {
    let scene = written().await;
    let diff = scene.ledgers.diff("a", second(2), Position::new(9)).await.unwrap();
    assert_eq!((diff.before.state.total, diff.after.state.total), (3, 15));
    assert_eq!(diff.events(), 3);
    let changes = diff.changes().unwrap();
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["+ /entries/2: 3", "+ /entries/3: 4", "+ /entries/4: 5", "~ /total: 3 -> 15"]
    );
    assert!(changes[0].is_added() && !changes[3].is_added());
    assert_eq!(changes[3].after, Some(json!(15)));
    let (mut history, mut totals) = (diff.history(), vec![]);
    while let Some(step) = history.next().await.unwrap() {
        totals.push(step.state.total);
    }
    assert_eq!(totals, [6, 10, 15]);
}

#[tokio::test]
async fn a_diff_may_go_back_in_time_and_may_be_empty() {
    let scene = written().await;
    let back = scene.ledgers.diff("a", Version::new(3), Version::new(2)).await.unwrap();
    let changes = back.changes().unwrap();
    assert_eq!((back.events(), changes.len()), (1, 2));
    assert!(changes[0].is_removed());
    let mut between = back.history();
    assert_eq!(between.next().await.unwrap().unwrap().envelope.header.version.get(), 3);
    let none = scene.ledgers.diff("a", second(50), Version::new(6)).await.unwrap();
    assert_eq!((none.events(), none.changes().unwrap()), (0, vec![]));
    assert!(none.history().next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_may_be_read_by_a_task_of_its_own() {
    let scene = written().await;
    let mut history = scene.ledgers.history("a");
    let total = tokio::spawn(async move {
        let mut total = 0;
        while let Some(step) = history.next().await.unwrap() {
            total = step.state.total;
        }
        total
    });
    assert_eq!(total.await.unwrap(), 21);
}
