//! Deleted events have no history, and events after the deletion have one.

use actuarius::operations::Reuse;
use actuarius::testing::divergence;
use actuarius::{Failure, Hosting, Version};

use super::scene::{Ground, Scene};
use crate::common::Ledger;

async fn totals(scene: &Scene, from: u64) -> Vec<(u64, i64)> {
    let mut history = scene.ledgers.history("a").from(Version::new(from));
    let mut totals = Vec::new();
    while let Some(step) = history.next().await.unwrap() {
        totals.push((step.envelope.header.version.get(), step.state.total));
    }
    totals
}

#[tokio::test]
async fn a_history_starts_after_a_deletion_and_nothing_is_known_before_it() {
    for ground in [Ground::Memory(std::sync::Arc::default()), Ground::disk()] {
        let hosting = Hosting::default().snapshot_every(2).snapshots_kept(9);
        let scene = Scene::on(ground, hosting).await;
        for amount in [1, 2, 3] {
            scene.add("a", amount).await;
        }
        let end = scene.ledgers.delete("a", Reuse::Allowed).await.unwrap().version;
        assert_eq!(end.get(), 4);
        for (version, amount) in [(5, 10), (6, 20)] {
            assert_eq!(scene.add("a", amount).await.version.get(), version);
        }
        for version in 1..4 {
            let failure = scene.ledgers.as_of("a", Version::new(version)).await.unwrap_err();
            let Failure::Removed { version: told } = failure else { panic!("{failure}") };
            assert_eq!(told.get(), version);
        }
        for (version, total) in [(0, 0), (4, 0), (5, 10), (6, 30), (9, 30)] {
            let past = scene.ledgers.as_of("a", Version::new(version)).await.unwrap();
            assert_eq!((past.state.total, past.version.get()), (total, version.min(6)));
        }
        for from in [1, 3, 4, 5] {
            assert_eq!(totals(&scene, from).await, [(5, 10), (6, 30)], "from {from}");
        }
        assert_eq!(totals(&scene, 6).await, [(6, 30)]);
        let reader = scene.runtime.reader().unwrap();
        divergence::<Ledger, Ledger>(&*reader).then_none();
    }
}

#[tokio::test]
async fn a_permanently_deleted_aggregate_has_no_history() {
    let scene = Scene::open(Hosting::default()).await;
    scene.add("a", 1).await;
    scene.ledgers.delete("a", Reuse::Never).await.unwrap();
    assert_eq!(totals(&scene, 1).await, []);
    let past = scene.ledgers.as_of("a", Version::new(9)).await.unwrap();
    assert_eq!((past.state, past.version.get()), (Ledger::default(), 2));
}
