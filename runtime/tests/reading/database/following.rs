//! Projections into SQLite process each event once, through failures, restarts and kills.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actuarius::error::StartError;
use actuarius::health::FollowerStatus;
use actuarius::store::backup::Until;
use actuarius::store::{ignore_progress, sled};
use actuarius::{Position, Runtime};

use super::sums::{Levers, Mishap, Sums, add, at_once, check, look, open};
use crate::common::{Bell, Command, Ledger, eventually};

#[tokio::test]
async fn a_database_has_every_event_once_and_continues_after_a_restart() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let contents = Arc::default();
    for round in 0..3 {
        let runtime = open(&contents).await;
        add(&runtime, round * 40..round * 40 + 20).await;
        let sums = Sums::in_directory(directory.path(), &levers);
        let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
        add(&runtime, round * 40 + 20..(round + 1) * 40).await;
        view.wait_for(runtime.head()).await.unwrap();
        check(directory.path(), (round + 1) * 40);
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        assert_eq!(view.status(), FollowerStatus::Stopped);
    }
}

#[tokio::test]
async fn each_event_counts_once_whatever_fails_and_however_often() {
    use Mishap::{PanicHalfWay, RefusedAtOnce, RefusedHalfWay, StoredAndGone, StoredAndRefused};
    let all = [RefusedAtOnce, RefusedHalfWay, PanicHalfWay, StoredAndRefused, StoredAndGone];
    for first in all {
        for second in all {
            let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
            levers.mishaps.lock().unwrap().extend([first, second, first]);
            let runtime = Runtime::in_memory().await.unwrap();
            add(&runtime, 0..15).await;
            let sums = Sums::in_directory(directory.path(), &levers);
            let view = runtime.database("sums", sums).on::<Ledger>().batch_events(4);
            let view = view.retry(at_once(10)).start().await.unwrap();
            add(&runtime, 15..30).await;
            view.wait_for(runtime.head()).await.unwrap();
            check(directory.path(), 30);
        }
    }
}

#[tokio::test]
async fn a_batch_that_fails_permanently_halts_the_projection_and_a_resume_continues() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().retry(at_once(2));
    let view = view.start().await.unwrap();
    add(&runtime, 0..5).await;
    view.wait_for(runtime.head()).await.unwrap();
    levers.mishaps.lock().unwrap().extend([Mishap::PanicHalfWay, Mishap::PanicHalfWay]);
    add(&runtime, 5..6).await;
    eventually(|| matches!(view.status(), FollowerStatus::Halted { .. })).await;
    let FollowerStatus::Halted { position, why } = view.status() else { unreachable!() };
    assert_eq!(position, Position::new(6));
    assert!(why.contains("half way"), "{why}");
    check(directory.path(), 5);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 6);
}

#[tokio::test]
async fn a_process_killed_within_a_transaction_leaves_view_and_position_consistent() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let killed = tempfile::tempdir().unwrap();
    let contents = Arc::default();
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    add(&runtime, 0..10).await;
    view.wait_for(runtime.head()).await.unwrap();
    view.pause().await;
    eventually(|| view.status() == FollowerStatus::Paused).await;
    add(&runtime, 10..200).await;
    *levers.copy_to.lock().unwrap() = Some(killed.path().to_owned());
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    // Continues on the files that the kill has left. SQLite rolls the transaction back when it
    // finds its journal.
    assert!(killed.path().join("sums.sqlite-journal").exists());
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(killed.path(), &Levers::default());
    check(killed.path(), 10);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    check(killed.path(), 200);
}

#[tokio::test]
async fn events_of_other_types_are_skipped_without_a_transaction_each() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().start().await.unwrap();
    add(&runtime, 0..1).await;
    view.wait_for(runtime.head()).await.unwrap();
    for _ in 0..20 {
        runtime.host::<Bell>().execute("tower", ()).await.unwrap();
        view.wait_for(runtime.head()).await.unwrap();
    }
    assert_eq!(*levers.batches.lock().unwrap(), [1]);
    view.stop().await;
    assert_eq!(*levers.batches.lock().unwrap(), [1, 0], "the position is stored when it stops");
    assert_eq!(look(directory.path()).2, 21);
}

#[tokio::test]
async fn a_batch_has_several_types_in_the_order_of_the_log() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    for amount in 0..5 {
        add(&runtime, amount..amount + 1).await;
        runtime.host::<Bell>().execute("tower", ()).await.unwrap();
    }
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().on::<Bell>();
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert!(look(directory.path()).1.into_iter().eq(1..=10));
}

#[tokio::test]
async fn a_batch_keeps_to_its_maximum_and_never_splits_a_command() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let contents = Arc::default();
    let runtime = open(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    for events in [2, 3, 7, 1, 1, 1, 5] {
        ledgers.execute("a", Command::AddAll(vec![1; events])).await.unwrap();
    }
    // Read from the log, they are all in one page.
    let _ = runtime.shutdown(Duration::from_secs(60)).await;
    let runtime = open(&contents).await;
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().batch_events(5);
    let view = view.start().await.unwrap();
    view.wait_for(runtime.head()).await.unwrap();
    assert_eq!(*levers.batches.lock().unwrap(), [5, 7, 3, 5]);
}

#[tokio::test]
async fn a_database_that_is_ahead_of_the_log_or_does_not_respond_does_not_start() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    let sums = || Sums::in_directory(directory.path(), &levers);
    let start = || runtime.database("sums", sums()).on::<Ledger>().start();
    let insert = "INSERT INTO live_progress VALUES (1, 7, NULL)";
    sums().connection.execute(insert, []).unwrap();
    let error = start().await.err().expect("the log is shorter");
    let seven = Position::new(7);
    assert!(matches!(error, StartError::Ahead { checkpoint, .. } if checkpoint == seven));
    levers.gone.store(1, Ordering::SeqCst);
    let error = start().await.err().expect("nobody answers");
    assert!(matches!(error, StartError::Database { .. }), "{error}");
    let nothing = runtime.database("sums", sums()).start().await;
    assert!(matches!(nothing, Err(StartError::FollowsNothing(_))));
}

/// All events of one read were stored, batch after batch, before a pause was noticed.
#[tokio::test]
async fn a_pause_takes_effect_after_the_batch_that_is_being_stored() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let runtime = Runtime::in_memory().await.unwrap();
    add(&runtime, 0..20).await;
    levers.gate.is_shut.store(true, Ordering::SeqCst);
    let sums = Sums::in_directory(directory.path(), &levers);
    let view = runtime.database("sums", sums).on::<Ledger>().batch_events(1);
    let view = view.start().await.unwrap();
    eventually(|| levers.gate.is_waited_at.load(Ordering::SeqCst)).await;
    drop(view.pause());
    levers.gate.is_shut.store(false, Ordering::SeqCst);
    eventually(|| view.status() == FollowerStatus::Paused).await;
    assert_eq!(*levers.batches.lock().unwrap(), [1]);
    view.resume();
    view.wait_for(runtime.head()).await.unwrap();
    check(directory.path(), 20);
}

/// After a backup was restored, the log grew past the position of the database before its projection was started. The
/// database continued: it kept the events that the restore had taken back, and never had those in their place.
#[tokio::test]
async fn a_database_with_events_that_a_restore_took_back_is_refused() {
    let (directory, levers) = (tempfile::tempdir().unwrap(), Levers::default());
    let place = |name: &str| directory.path().join(name);
    std::fs::create_dir(place("early")).unwrap();
    let runtime = Runtime::open(place("store")).await.unwrap();
    let start = async |runtime: &Runtime, of: &Path| {
        let sums = Sums::in_directory(of, &levers);
        runtime.database("sums", sums).on::<Ledger>().start().await
    };
    for (of, amounts) in [(place("early"), 0..20), (directory.path().to_owned(), 20..40)] {
        add(&runtime, amounts).await;
        let view = start(&runtime, &of).await.unwrap();
        view.wait_for(runtime.head()).await.unwrap();
        view.stop().await;
        if of == place("early") {
            runtime.backup(place("saved")).await.unwrap();
        }
    }
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    sled::restore(place("saved"), place("back"), Until::End, &mut ignore_progress).unwrap();
    let runtime = Runtime::open(place("back")).await.unwrap();
    add(&runtime, 20..70).await;
    let refused = start(&runtime, directory.path()).await.err().expect("another history");
    assert!(matches!(&refused, StartError::OtherHistory { .. }), "{refused}");
    let shared = start(&runtime, &place("early")).await.unwrap();
    shared.wait_for(runtime.head()).await.unwrap();
    check(&place("early"), 70);
    shared.stop().await;
    // From now on it has the events of the restored store.
    assert!(start(&runtime, &place("early")).await.is_ok());
}
