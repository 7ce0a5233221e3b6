//! Streams of changes of a keyed view, of all rows and of one.

use actuarius::projection::Missed;
use actuarius::{Position, Runtime};
use tokio_stream::StreamExt;

use super::views::{ALL, Sum, add, show_all, sums};
use crate::common::{Command, Ledger};

#[tokio::test]
async fn changes_name_the_rows_of_each_batch_and_its_position() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let mut changes = view.changes();
    for amount in 1..4 {
        add(&runtime, amount..amount + 1).await;
        show_all(&runtime, &view).await;
        let change = changes.next().await.unwrap().unwrap();
        assert_eq!(change.position, Position::new(amount as u64));
        assert_eq!(change.keys, [ALL.to_owned(), format!("ledger {amount}")]);
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_or_sees_a_rebuild_learns_that_changes_were_missed() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let mut changes = view.changes();
    for amount in 0..200 {
        add(&runtime, amount..amount + 1).await;
        show_all(&runtime, &view).await;
    }
    assert_eq!(changes.next().await, Some(Err(Missed)));
    let change = changes.next().await.unwrap().unwrap();
    assert!(change.position > Position::new(100), "the newest ones are still there");
    let mut changes = view.changes();
    view.rebuild().await.unwrap();
    assert_eq!(changes.next().await, Some(Err(Missed)));
}

#[tokio::test]
async fn the_changes_of_a_row_return_it_now_and_after_each_change() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let mut row = view.changes_of("ledger 7");
    let mut next = async || row.next().await.unwrap().unwrap().map(|row: Sum| row.total);
    assert_eq!(next().await, None);
    add(&runtime, 1..8).await;
    assert_eq!(next().await, Some(7));
    // Changes of other rows do not count, and neither does a rebuild that gives the same row.
    add(&runtime, 11..14).await;
    view.rebuild().await.unwrap();
    for amount in [1, 2, 0] {
        let command = Command::Add(amount);
        runtime.host::<Ledger>().execute("ledger 7", command).await.unwrap();
        show_all(&runtime, &view).await;
        // A slow reader gets the newest value.
        if amount != 1 {
            assert_eq!(next().await, if amount == 0 { None } else { Some(10) });
        }
    }
}

#[tokio::test]
async fn changes_end_when_the_view_is_dropped() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = sums(&runtime).start().await.unwrap();
    let (mut changes, mut row) = (view.changes(), view.changes_of("ledger 1"));
    assert_eq!(row.next().await.unwrap().unwrap(), None);
    view.stop().await;
    drop(view);
    assert_eq!(changes.next().await, None);
    assert!(row.next().await.is_none());
}
