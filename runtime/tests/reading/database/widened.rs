//! A projection into a database that follows more than before does not start until that is accepted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::error::StartError;
use actuarius::projection::InDatabase;
use actuarius::projection::ProjectionBuilder;

use super::sums::{Levers, Sums, add, check, open};
use crate::common::{Bell, Ledger};

type Builder = ProjectionBuilder<InDatabase<Sums>>;

fn sums(runtime: &Runtime, directory: &Path) -> Builder {
    let sums = Sums::in_directory(directory, &Levers::default());
    runtime.database("sums", sums).on::<Ledger>()
}

async fn finish(runtime: Runtime, builder: Builder) {
    let view = builder.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    drop(view);
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
}

async fn refused(builder: Builder) -> (u64, String) {
    match builder.start().await {
        Err(StartError::Widened { position, events, .. }) => (position.get(), events),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has started"),
    }
}

/// A report was to include a second aggregate type. Its database had passed all earlier events of that type, and the
/// report lacked them without a word.
#[tokio::test]
async fn a_database_that_is_to_receive_more_is_refused_until_that_is_accepted() {
    let (directory, contents) = (tempfile::tempdir().unwrap(), Arc::default());
    let runtime = open(&contents).await;
    add(&runtime, 0..5).await;
    let before = sums(&runtime, directory.path());
    finish(runtime, before).await;

    let runtime = open(&contents).await;
    let wider = || sums(&runtime, directory.path()).on::<Bell>();
    assert_eq!(refused(wider()).await, (5, "all events of `bell`".to_owned()));
    // Nothing was recorded by a start that was refused.
    assert_eq!(refused(wider().on_deleted::<Ledger>()).await.0, 5);
    let accepted = wider().accepts_widening();
    finish(runtime.clone(), accepted).await;
    drop(runtime);
    check(directory.path(), 5);

    // Once accepted, it is no widening any more.
    let runtime = open(&contents).await;
    let wide = sums(&runtime, directory.path()).on::<Bell>();
    finish(runtime, wide).await;
}

/// An empty database receives every event.
#[tokio::test]
async fn an_empty_database_starts_whatever_it_is_to_receive() {
    let contents = Arc::default();
    for widened in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let runtime = open(&contents).await;
        let builder = sums(&runtime, directory.path());
        let builder = if widened { builder.on::<Bell>() } else { builder };
        finish(runtime, builder).await;
    }
}
