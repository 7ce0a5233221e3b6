//! Past states while other tasks write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius::history::Moment;
use actuarius::{Hosting, Position, Version};

use super::scene::{Ground, Scene};
use crate::common::Ledger;

/// Returns the state of a ledger with this many events, whose n-th amount is n.
fn expected(version: Version) -> i64 {
    (1..=version.get() as i64).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_does_not_change_while_others_write() {
    let hosting = Hosting::default().snapshot_every(10).snapshots_kept(5);
    let scene = Arc::new(Scene::on(Ground::disk(), hosting).await);
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        (0..4).map(|_| tokio::spawn(look_back(scene.clone(), over.clone()))).collect();
    let writers: Vec<_> = ["a", "b"]
        .map(|id| {
            let scene = scene.clone();
            tokio::spawn(async move {
                for amount in 1..=400 {
                    scene.add(id, amount).await;
                }
            })
        })
        .into();
    for writer in writers {
        writer.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn look_back(scene: Arc<Scene>, over: Arc<AtomicBool>) {
    let mut turn: u64 = 0;
    while !over.load(Ordering::Relaxed) {
        turn += 1;
        let present = scene.ledgers.version("a").await.unwrap();
        let version = Version::new(turn * 7 % (present.get() + 1));
        let past = scene.ledgers.as_of("a", version).await.unwrap();
        assert_eq!((past.version, past.state.total), (version, expected(version)));
        let head = scene.runtime.head();
        let at = Position::new(turn * 13 % (head.get() + 1));
        let (first, again) = (at_position(&scene, at).await, at_position(&scene, at).await);
        assert_eq!(first, again);
        let now = scene.ledgers.as_of("a", Moment::Position(head)).await.unwrap();
        assert!(now.version >= present);
        assert_eq!(now.state.total, expected(now.version));
    }
}

async fn at_position(scene: &Scene, position: Position) -> Ledger {
    let past = scene.ledgers.as_of("a", position).await.unwrap();
    assert!(past.position <= position);
    assert_eq!(past.state.total, expected(past.version));
    past.state
}
