//! Within a stream, times never go back, even if the clock does.

use actuarius::Hosting;

use super::scene::{Scene, second};
use crate::common::eventually;

#[tokio::test]
async fn the_history_of_an_aggregate_never_goes_back_in_time() {
    let scene = Scene::open(Hosting::default()).await;
    for now in [10, 30, 20, 29, 31, 5] {
        scene.clock.set(second(now));
        scene.add("a", 1).await;
    }
    assert_eq!(scene.seconds("a").await, [10, 30, 30, 30, 31, 31]);
    scene.add("b", 1).await;
    assert_eq!(scene.seconds("b").await, [5], "another stream uses the clock");
}

#[tokio::test]
async fn time_never_goes_back_after_passivation_and_restart() {
    for hosting in [Hosting::default(), Hosting::default().without_snapshots()] {
        let mut scene = Scene::open(hosting).await;
        scene.clock.set(second(100));
        scene.add("a", 1).await;
        for now in [50, 60, 70] {
            scene.clock.set(second(now));
            if now == 60 {
                scene = scene.restart().await;
            } else {
                assert!(scene.ledgers.passivate("a").unwrap());
                eventually(|| scene.ledgers.resident() == 0).await;
            }
            scene.add("a", 1).await;
        }
        assert_eq!(scene.seconds("a").await, [100; 4]);
    }
}
