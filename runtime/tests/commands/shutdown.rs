//! A shutdown answers every accepted request, and loses nothing.

use std::sync::Arc;
use std::time::Duration;

use actuarius::health::Status;
use actuarius::store::{fault, memory};
use actuarius::{Failure, Runtime};

use crate::common::{Command, Ledger, join_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_each_command_is_acknowledged_or_refused_and_none_hangs() {
    let contents = Arc::default();
    let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let clients: Vec<_> = (0..32)
        .map(|client| (client, ledgers.clone()))
        .map(|(client, ledgers)| async move {
            let mut acknowledged = 0;
            loop {
                match ledgers.execute(format!("{}", client % 5), Command::Add(1)).await {
                    Ok(_) => acknowledged += 1,
                    Err(error) => {
                        let failure = error.failure().cloned();
                        assert!(matches!(failure, Some(Failure::Unavailable(_))), "{failure:?}");
                        return acknowledged;
                    }
                }
            }
        })
        .collect();
    let clients = tokio::spawn(join_all(clients));
    crate::common::eventually(|| runtime.head().get() > 1_000).await;
    let report = runtime.shutdown(Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report:?}");
    let acknowledged: u64 = clients.await.unwrap().into_iter().sum();
    assert!(matches!(runtime.health().status, Status::Closed));

    let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
    assert_eq!(runtime.head().get(), acknowledged);
    let ledgers = runtime.host::<Ledger>();
    let mut total = 0;
    for id in 0..5 {
        total += ledgers.query(id.to_string(), |it| it.total).await.unwrap();
    }
    assert_eq!(total.unsigned_abs(), acknowledged);
}

/// A store that does not respond must not block the shutdown permanently.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_deadline_a_shutdown_reports_who_is_still_waiting() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let waiting = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let closing = runtime.clone();
    let shutdown = tokio::spawn(async move { closing.shutdown(Duration::from_millis(1)).await });
    crate::common::eventually(|| matches!(runtime.health().status, Status::ShuttingDown)).await;
    hold.release();
    let report = shutdown.await.unwrap();
    // The store continued before the committer was stopped, so the command is answered.
    waiting.await.unwrap();
    assert!(report.drained + report.unanswered == 1, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_runtime_releases_its_store() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let reader = Arc::downgrade(&runtime.reader().unwrap());
    drop(ledgers);
    drop(runtime);
    crate::common::eventually(|| reader.strong_count() == 0).await;
}

/// A store that does not respond must not block the shutdown permanently, and callers that wait for
/// it must be answered. The aggregate's handle is still held, so nothing else would notify them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_callers_that_wait_for_a_blocked_store_are_answered() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let first = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let behind = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let report = runtime.shutdown(Duration::from_millis(1)).await;
    assert_eq!(report.unanswered, 2);
    let error = behind.await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Unavailable(_))), "{error}");
    hold.release();
    first.await.unwrap();
}

/// A shutdown whose store did not answer was once reported as clean if nobody waited for a command: it had
/// stopped waiting for the snapshot that was being written. And a second shutdown returned while the first
/// one was still closing the files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_is_not_clean_while_the_store_is_still_writing_and_a_second_one_waits() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).await.unwrap();
    let hold = faults.hold();
    assert!(ledgers.passivate("a").unwrap());
    let hold = crate::common::until_held(hold).await;

    let first = runtime.shutdown(Duration::from_millis(1)).await;
    assert!(first.still_closing && !first.is_clean(), "{first:?}");
    assert_eq!((first.unanswered, first.still_resident, first.still_following), (0, 0, 0));
    let second = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.shutdown(Duration::from_secs(60)).await }
    });
    hold.release();
    let second = second.await.unwrap();
    assert!(second.is_clean(), "{second:?}");
}

/// A second shutdown counted again after the first one had ended everything, and reported that all was clean,
/// although callers had received `Unavailable`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shutdown_reports_what_the_first_one_left() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let waiting = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let patient = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.shutdown(Duration::from_secs(60)).await }
    });
    let first = runtime.shutdown(Duration::from_millis(1)).await;
    assert_eq!(first.unanswered, 1, "{first:?}");
    hold.release();
    for report in [patient.await.unwrap(), runtime.shutdown(Duration::ZERO).await] {
        assert_eq!((report.unanswered, report.is_clean()), (1, false), "{report:?}");
    }
    let _ = waiting.await;
}
