//! Cases that compare long histories with the model.

use super::sample::{note, small, stream};
use super::scene::Scene;
use super::stage::Stage;
use crate::test_rng::TestRng;

pub(super) fn a_long_history_equals_its_model_through_every_reopening(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(12);
    for _ in 0..5 {
        for _ in 0..40 {
            batch(&mut scene, &mut rng, 300, 24);
        }
        scene.reopen_and_check();
    }
}

/// A batch of up to `most` appends over `streams` streams; every tenth or so is a conflict.
fn batch(scene: &mut Scene<'_>, rng: &mut TestRng, streams: u64, most: u64) {
    for _ in 0..=rng.below(most) {
        // The smaller of two random numbers: some streams are long, and many are short.
        let number = rng.below(streams).min(rng.below(streams));
        let stream = stream(&format!("stream-{number}"));
        let commits: Vec<_> = (0..=rng.below(3))
            .map(|_| {
                let count = rng.below(3) + 1;
                small(rng, count)
            })
            .collect();
        let wrong = u64::from(rng.chance(0.1));
        let expected = scene.version(&stream).plus(wrong);
        scene.put_commits(&stream, expected, &commits);
    }
    scene.commit();
}

pub(super) fn a_history_of_large_and_small_events_equals_its_model(stage: &dyn Stage) {
    let mut scene = Scene::open(stage);
    let mut rng = TestRng::new(13);
    for _ in 0..4 {
        for _ in 0..15 {
            for _ in 0..=rng.below(4) {
                let id = format!("stream-{}", rng.below(10));
                // Sizes spread evenly over the powers of two up to 64 KiB.
                let bytes = 1 << rng.below(17);
                let events = vec![note(&mut rng, bytes)];
                scene.put(&stream(&id), events);
            }
            scene.commit();
        }
        scene.reopen_and_check();
    }
}
