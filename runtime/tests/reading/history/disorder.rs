//! Times in a log whose clock was wrong for a while.

use actuarius::history::{AmbiguousTime, PositionAtError, TimePolicy};
use actuarius::projection::AsOfError;
use actuarius::{Hosting, Position, Timestamp, Version};

use super::scene::{Scene, second};
use crate::common::Sum;

const YEAR: i64 = 365 * 86_400;

/// Ten commits, one of a clock that is decades ahead, and ten more of the right clock; one in ten seconds.
async fn jumped() -> Scene {
    let scene = Scene::open(Hosting::default()).await;
    for number in 0..21 {
        let is_wrong = number == 10;
        let id = if is_wrong { "wrong".to_owned() } else { format!("{}", number % 3) };
        scene.clock.set(second(if is_wrong { 73 * YEAR } else { number * 10 }));
        scene.add(&id, 1).await;
    }
    scene
}

async fn ambiguous(scene: &Scene, time: Timestamp) -> AmbiguousTime {
    match scene.runtime.position_at(time).await {
        Err(PositionAtError::Ambiguous(ambiguous)) => *ambiguous,
        other => panic!("expected an ambiguous time, found {other:?}"),
    }
}

/// The clock of a machine showed the year 2099 for one command. A request for the position of a later day
/// returned the one before that command, and a thousand commits after it were left out, without a word.
#[tokio::test]
async fn a_commit_of_the_far_future_does_not_hide_later_ones() {
    let scene = jumped().await;
    let now = second(200);
    let which = ambiguous(&scene, now).await;
    assert_eq!((which.earlier, which.later), (10, 1));
    assert_eq!(which.later_examples[0].position, Position::new(11), "the wrong one is named");
    let at = async |policy| scene.runtime.position_at_with(now, policy).await.unwrap();
    assert_eq!(at(TimePolicy::AfterLastEarlier).await, Position::new(21));
    assert_eq!(at(TimePolicy::BeforeFirstLater).await, Position::new(10));
    assert_eq!(
        (which.before_first_later, which.after_last_earlier),
        (Position::new(10), Position::new(21))
    );
    // Before the wrong one, and after all of them, there is only one position.
    assert_eq!(scene.runtime.position_at(second(45)).await.unwrap(), Position::new(5));
    assert_eq!(scene.runtime.position_at(second(80 * YEAR)).await.unwrap(), Position::new(21));
}

/// A view of the past left out the same commits.
#[tokio::test]
async fn views_of_the_past_ask_for_a_position_instead_of_leaving_commits_out() {
    let scene = jumped().await;
    let view = || scene.runtime.projection::<Sum>("sum").on::<crate::common::Ledger>();
    let refused = view().as_of(second(200)).await;
    assert!(matches!(refused, Err(AsOfError::AmbiguousTime(_))));
    let end = scene.runtime.position_at_with(second(200), TimePolicy::AfterLastEarlier).await;
    let all = view().as_of(end.unwrap()).await.unwrap();
    assert_eq!((all.view.0, all.position), (21, Position::new(21)));
    assert_eq!(view().as_of(second(45)).await.unwrap().view.0, 5);
    let one = scene.ledgers.as_of("0", second(200)).await.unwrap();
    assert_eq!(one.version, Version::new(7), "within one aggregate times are in order");
}

/// The clock was set back by an hour, and an hour was recorded twice.
#[tokio::test]
async fn an_hour_that_was_recorded_twice_is_ambiguous() {
    let scene = Scene::open(Hosting::default()).await;
    for (number, minute) in (0..).zip([0, 20, 40, 60, 5, 25, 45, 65]) {
        scene.clock.set(second(minute * 60));
        scene.add(&format!("{number}"), 1).await;
    }
    let which = ambiguous(&scene, second(30 * 60)).await;
    assert_eq!(
        (which.before_first_later, which.after_last_earlier),
        (Position::new(2), Position::new(6))
    );
    let earlier: Vec<_> = which.earlier_examples.iter().map(|it| it.position.get()).collect();
    assert_eq!(earlier, [5, 6]);
    assert_eq!(scene.runtime.position_at(second(62 * 60)).await.unwrap(), Position::new(7));
}
