//! Keyed views on disk continue after a restart, and a stopped one stays readable.

use actuarius::health::FollowerStatus;
use actuarius::store::views::Views;
use actuarius::{Position, Runtime};

use super::views::{Kept, Model, Sums, add, close, show_all, sums};
use crate::common::Ledger;

#[tokio::test]
async fn a_view_on_disk_continues_after_a_restart_from_its_stored_rows() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(directory.path()).await.unwrap();
    add(&runtime, 0..50).await;
    let view = sums(&runtime).start().await.unwrap();
    add(&runtime, 50..100).await;
    show_all(&runtime, &view).await;
    Model::of(100).check(&view);
    close(runtime, view).await;

    let runtime = Runtime::open(directory.path()).await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    assert_eq!(view.position(), Position::new(100));
    Model::of(100).check(&view);
    add(&runtime, 100..120).await;
    show_all(&runtime, &view).await;
    Model::of(120).check(&view);
    assert_eq!((view.lag(), view.status()), (0, FollowerStatus::Live));
}

#[tokio::test]
async fn a_stopped_view_can_be_read_and_continues_when_it_is_started_again() {
    let kept = Kept { views: Views::in_memory(), ..Kept::in_memory() };
    let runtime = kept.open().await;
    let view = sums(&runtime).start().await.unwrap();
    add(&runtime, 0..10).await;
    show_all(&runtime, &view).await;
    view.stop().await;
    add(&runtime, 10..20).await;
    Model::of(10).check(&view);
    drop(view);
    let view = runtime.keyed::<Sums>("sums").on::<Ledger>().start().await.unwrap();
    show_all(&runtime, &view).await;
    Model::of(20).check(&view);
}
