//! Archived events are read as before. If the archive is missing, whatever needs it reports that.

use std::fs;
use std::time::Duration;

use actuarius::error::Unavailable;
use actuarius::operations::{ArchivePart, ArchivingError};
use actuarius::{ExecuteError, Failure, Hosting, Runtime, Version};

use crate::common::{Command, Ledger, Sum};

async fn shut(runtime: Runtime) {
    let report = runtime.shutdown(Duration::from_secs(60)).await;
    assert_eq!(report.still_resident, 0);
}

async fn filled(directory: &std::path::Path) -> Runtime {
    let runtime = Runtime::open(directory).await.expect("opens");
    let ledgers = runtime.host_with::<Ledger>(Hosting::default().snapshot_every(10));
    for amount in 1..=25 {
        for id in ["closed", "open", "other"] {
            ledgers.execute(id, Command::Add(amount)).await.expect("accepted");
        }
    }
    for id in ["closed", "open", "other"] {
        ledgers.passivate(id).expect("valid");
    }
    shut(runtime).await;
    Runtime::open(directory).await.expect("opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moved_events_are_read_as_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = filled(directory.path()).await;
    let ledgers = runtime.host::<Ledger>();
    let before = ledgers.events("open", Version::NONE).await.expect("readable");
    let moved = ledgers.archive_where(ArchivePart::BeforeSnapshot, |id| id.as_str() == "open");
    assert_eq!(moved.await.expect("moved").events, 25, "its last snapshot contains everything");
    let moved = ledgers.archive("closed", ArchivePart::Whole).await.expect("moved");
    assert_eq!((moved.events, moved.segments), (25, 1));
    assert_eq!(ledgers.archive("closed", ArchivePart::Whole).await.expect("nothing").events, 0);
    for id in ["closed", "open", "other"] {
        assert_eq!(ledgers.query(id, |ledger| ledger.total).await.expect("readable"), 325);
    }
    let after = ledgers.events("open", Version::NONE).await.expect("readable");
    let shown = |events: &[actuarius::Envelope<Ledger>]| format!("{events:?}");
    assert_eq!(shown(&after), shown(&before));
    let past = ledgers.as_of("closed", Version::new(7)).await.expect("readable");
    assert_eq!(past.state.total, 28);
    ledgers.execute("open", Command::Add(1)).await.expect("accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_archive_an_aggregate_uses_its_snapshot_or_reports_what_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = filled(directory.path()).await;
    let ledgers = runtime.host::<Ledger>();
    ledgers.archive("open", ArchivePart::BeforeSnapshot).await.expect("moved");
    ledgers.archive("closed", ArchivePart::Whole).await.expect("moved");
    drop(ledgers);
    shut(runtime).await;
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(directory.path().join("archive"), &elsewhere).expect("moved");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let ledgers = runtime.host::<Ledger>();
    let receipt = ledgers.execute("open", Command::Add(5)).await.expect("its snapshot is enough");
    assert_eq!(receipt.version, Version::new(26));
    assert_eq!(ledgers.query("other", |ledger| ledger.total).await.expect("readable"), 325);
    let unreadable = ledgers.events("open", Version::NONE).await.expect_err("told");
    assert!(
        matches!(unreadable, Failure::Unreadable(_)) && unreadable.to_string().contains("archive")
    );
    fs::rename(&elsewhere, directory.path().join("archive")).expect("moved back");
    assert_eq!(ledgers.events("open", Version::NONE).await.expect("readable again").len(), 26);
}

/// The state has another version, so that its snapshots are useless: only the archive has the
/// events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_never_continues_after_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let ledgers = runtime.host_with::<Ledger>(Hosting::default().without_snapshots());
    for amount in 1..=25 {
        ledgers.execute("alice", Command::Add(amount)).await.expect("accepted");
    }
    ledgers.archive("alice", ArchivePart::Whole).await.expect("moved");
    drop(ledgers);
    shut(runtime).await;
    fs::remove_dir_all(directory.path().join("archive")).expect("removed");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let refused = runtime.host::<Ledger>().execute("alice", Command::Add(1)).await;
    let Err(ExecuteError::Failed(Failure::Unavailable(Unavailable::Recovery(why)))) = refused
    else {
        panic!("nothing is decided without its history")
    };
    assert!(why.contains("archive"), "{why}");
}

#[tokio::test]
async fn a_store_in_memory_has_no_archive() {
    let runtime = Runtime::in_memory().await.expect("opens");
    let refused = runtime.host::<Ledger>().archive("alice", ArchivePart::Whole).await;
    assert!(matches!(refused, Err(ArchivingError::Unsupported)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_stops_at_a_gap_and_is_correct_once_the_archive_is_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = filled(directory.path()).await;
    let ledgers = runtime.host::<Ledger>();
    ledgers.archive("closed", ArchivePart::Whole).await.expect("moved");
    drop(ledgers);
    shut(runtime).await;
    let (archive, elsewhere) = (directory.path().join("archive"), directory.path().join("shelf"));
    fs::rename(&archive, &elsewhere).expect("moved");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.expect("starts");
    let stopped = sum.wait_for_within(runtime.head(), Duration::from_secs(2)).await;
    assert!(stopped.is_err() && sum.read(|sum| sum.0) == 0, "the first commit is in the archive");
    drop(sum);
    shut(runtime).await;
    fs::rename(&elsewhere, &archive).expect("moved back");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.expect("starts");
    sum.wait_for(runtime.head()).await.expect("it reaches the end");
    assert_eq!(sum.read(|sum| sum.0), 3 * 325);
}
