//! Retention of snapshots by number and by age.

use std::time::Duration;

use actuarius::Hosting;

use super::scene::Scene;
use crate::common::eventually;

const DAY: Duration = Duration::from_secs(86_400);

/// One event a day, each followed by a snapshot.
async fn days(hosting: Hosting, days: u64) -> Scene {
    let scene = Scene::open(hosting).await;
    for day in 1..=days {
        scene.add("a", 1).await;
        assert!(scene.ledgers.passivate("a").unwrap());
        eventually(|| scene.snapshots("a").first() == Some(&day)).await;
        scene.clock.advance(DAY);
    }
    scene
}

#[tokio::test]
async fn a_new_snapshot_removes_those_older_than_the_retention() {
    let hosting = Hosting::default().snapshots_kept(100).snapshots_kept_for(3 * DAY);
    let scene = days(hosting, 8).await;
    assert_eq!(scene.snapshots("a"), [8, 7, 6, 5]);
}

#[tokio::test]
async fn the_newest_snapshot_stays_however_old_it_is() {
    let hosting = Hosting::default().snapshots_kept(100).snapshots_kept_for(Duration::ZERO);
    let scene = days(hosting, 2).await;
    scene.clock.advance(1_000 * DAY);
    let scene = scene.restart().await;
    assert_eq!(scene.snapshots("a"), [2]);
}

#[tokio::test]
async fn the_number_limits_snapshots_together_with_the_age() {
    let hosting = Hosting::default().snapshots_kept(2).snapshots_kept_for(3 * DAY);
    assert_eq!(days(hosting, 8).await.snapshots("a"), [8, 7]);
}
