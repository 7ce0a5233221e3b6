//! Under tokio's paused clock, waits of callers are measured in real time.

use std::future::IntoFuture;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::store::{fault, memory};

use crate::common::{Command, Ledger, Sum, until_held};

/// With a paused clock, tokio's time jumps to the next timer while the disk is written. So a command with a
/// timeout was reported as indeterminate at once, and was durable.
#[tokio::test(start_paused = true)]
async fn a_command_that_is_being_written_is_not_called_indeterminate() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let long = Duration::from_secs(600);
    let sent = tokio::spawn(ledgers.execute("a", Command::Add(1)).timeout(long).into_future());
    let hold = until_held(hold).await;
    // The clock jumps over the timeout while the commit is held.
    tokio::time::sleep(long * 2).await;
    hold.release();
    sent.await.unwrap().unwrap();
}

/// The same for a command that waits for its view: the limit of 5 seconds was over at once.
#[tokio::test(start_paused = true)]
async fn a_command_that_waits_for_its_view_is_shown() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
    let hold = faults.hold();
    let command = ledgers.execute("a", Command::Add(1)).consistent_with(&sum);
    let sent = tokio::spawn(command.into_future());
    let hold = until_held(hold).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    hold.release();
    sent.await.unwrap().unwrap();
    assert_eq!(sum.read(|sum| sum.0), 1);
}

/// A shutdown with a paused clock was past its deadline while the last group was written.
#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_disk() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let sent = tokio::spawn(ledgers.execute("a", Command::Add(1)).into_future());
    let hold = until_held(hold).await;
    let closing = runtime.clone();
    let shutdown = tokio::spawn(async move { closing.shutdown(Duration::from_secs(600)).await });
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    hold.release();
    sent.await.unwrap().unwrap();
    let report = shutdown.await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}
