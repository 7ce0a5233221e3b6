//! A store that is opened again at once waits until its last holder has closed it.

use std::time::Duration;

use actuarius::Runtime;
use actuarius::error::OpenError;
use actuarius::store::fault;
use actuarius::store::sled::{self, SledOptions};

use crate::common::{Command, Ledger, blocking, send, until_held};

/// Opens without patience for a holder that does not close.
fn open(directory: &std::path::Path) -> Result<actuarius::store::Store, OpenError> {
    sled::open_with(directory, &SledOptions::default().lock_wait(Duration::ZERO))
}

/// The last group was still being written when the handles were dropped, so the store was in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_runtime_is_waited_for_while_its_last_commit_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, faults) = fault::over(open(directory.path()).unwrap());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    assert!(matches!(open(directory.path()), Err(OpenError::Locked { .. })));
    let hold = faults.hold();
    let sent = send(ledgers.execute("a", Command::Add(7)));
    let hold = until_held(hold).await;
    drop((runtime, ledgers));
    let path = directory.path().to_owned();
    let opening = tokio::spawn(blocking(move || open(&path)));
    hold.release();
    let runtime = Runtime::builder().on_store(opening.await.unwrap().unwrap()).await.unwrap();
    drop(sent);
    assert_eq!(runtime.host::<Ledger>().query("a", |it| it.total).await.unwrap(), 7);
}

/// The same again and again, as in a test suite or in a service that reopens after a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_dropped_and_opened_in_turns() {
    let directory = tempfile::tempdir().unwrap();
    for turn in 0..10 {
        let runtime = Runtime::open(directory.path()).await.unwrap();
        let ledgers = runtime.host::<Ledger>();
        assert_eq!(ledgers.query("a", |it| it.total).await.unwrap(), turn);
        ledgers.execute("a", Command::Add(1)).await.unwrap();
    }
}

/// The announcement is of the holder that closes. The next one is in use like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_in_use_is_still_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Runtime::open(directory.path()).await.unwrap());
    let _runtime = Runtime::open(directory.path()).await.unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Locked { .. })));
}

/// An operator whose tokio runtime had ended had to find every handle, although a shutdown closes the store as well.
#[test]
fn a_shutdown_from_another_tokio_runtime_closes_a_store_whose_own_has_ended() {
    let tokio = || {
        let mut tokio = tokio::runtime::Builder::new_multi_thread();
        tokio.worker_threads(1).enable_all().build().unwrap()
    };
    let (first, second, directory) = (tokio(), tokio(), tempfile::tempdir().unwrap());
    let (runtime, ledgers) = first.block_on(async {
        let runtime = Runtime::open(directory.path()).await.unwrap();
        let ledgers = runtime.host::<Ledger>();
        ledgers.execute("a", Command::Add(7)).await.unwrap();
        (runtime, ledgers)
    });
    drop(first);
    second.block_on(async {
        let failure = ledgers.execute("a", Command::Add(1)).await.unwrap_err();
        assert!(!failure.is_retryable(), "{failure}");
        let report = runtime.shutdown(Duration::from_secs(60)).await;
        assert!(!report.still_closing, "{report:?}");
        let again = Runtime::open(directory.path()).await.unwrap();
        assert_eq!(again.host::<Ledger>().query("a", |it| it.total).await.unwrap(), 7);
    });
    drop((runtime, ledgers));
}
