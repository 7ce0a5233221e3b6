//! A deleted aggregate is removed from memory, the log and the archive. The end of its stream
//! stays.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::QuarantineReason;
use actuarius::operations::Reuse;
use actuarius::store::memory::{self, Contents};
use actuarius::store::verify::Verify;
use actuarius::store::{Append, Batch, Deletion, Gone, NewCommit, Notes, PageLimit, Removal};
use actuarius::{
    CommandId, Failure, Hosting, Metadata, Position, Runtime, StreamId, Timestamp, Version,
};

use crate::common::{Command, Event, Ledger, Sum, eventually, open_on};

async fn add(runtime: &Runtime, id: &str, amounts: impl IntoIterator<Item = i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        ledgers.execute(id, Command::Add(amount)).await.expect("accepted");
    }
}

async fn total(runtime: &Runtime, id: &str) -> i64 {
    runtime.host::<Ledger>().query(id, |ledger| ledger.total).await.expect("readable")
}

#[tokio::test]
async fn a_reusable_id_starts_from_scratch_with_higher_versions() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    add(&runtime, "alice", [1, 2, 3]).await;
    add(&runtime, "bob", [10]).await;
    let deleted = ledgers.delete("alice", Reuse::Allowed).await.expect("deleted");
    assert_eq!((deleted.version, deleted.commits), (Version::new(4), 3));
    assert!(!ledgers.exists("alice").await.expect("readable"));
    assert_eq!((total(&runtime, "alice").await, total(&runtime, "bob").await), (0, 10));
    let receipt = ledgers.execute("alice", Command::Add(7)).await.expect("accepted");
    assert_eq!(receipt.version, Version::new(5));
    assert!(ledgers.exists("alice").await.expect("readable"));
    ledgers.passivate("alice").expect("valid");
    assert_eq!(total(&runtime, "alice").await, 7, "events before the end do not count any more");
    let events = ledgers.events("alice", Version::NONE).await.expect("readable");
    let events: Vec<_> = events.into_iter().map(|it| (it.header.version.get(), it.event)).collect();
    assert_eq!(events, [(5, Event::Added(7))]);
    drop((runtime, ledgers));
    let (runtime, _) = open_on(&contents).await;
    assert_eq!((total(&runtime, "alice").await, total(&runtime, "bob").await), (7, 10));
}

#[tokio::test]
async fn an_id_that_is_not_reusable_is_refused_permanently() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    add(&runtime, "alice", [1, 2, 3]).await;
    ledgers.delete("alice", Reuse::Never).await.expect("deleted");
    let again = ledgers.delete("alice", Reuse::Allowed).await.expect("nothing to do");
    assert_eq!((again.version, again.commits), (Version::new(4), 0));
    drop((runtime, ledgers));
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    let refused = ledgers.execute("alice", Command::Add(7)).await.expect_err("refused");
    assert!(matches!(refused.failure(), Some(Failure::Deleted)));
    assert_eq!(total(&runtime, "alice").await, 0);
    let nobody = ledgers.delete("nobody", Reuse::Never).await.expect("nothing to do");
    assert_eq!((nobody.version, nobody.commits), (Version::NONE, 0));
}

#[tokio::test]
async fn followers_skip_removed_events() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    add(&runtime, "alice", 1..=30).await;
    add(&runtime, "bob", [1_000]).await;
    runtime.host::<Ledger>().delete("alice", Reuse::Allowed).await.expect("deleted");
    add(&runtime, "alice", [5]).await;
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.expect("starts");
    runtime.caught_up(Duration::from_secs(60)).await.expect("it reaches the end");
    assert_eq!(sum.read(|sum| sum.0), 1_005);
    assert_eq!(runtime.head(), Position::new(33));
}

fn bytes_hold(directory: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(directory).expect("listed").any(|entry| {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            return bytes_hold(&path, wanted);
        }
        let bytes = fs::read(&path).expect("readable");
        bytes.windows(wanted.len()).any(|window| window == wanted)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_store_has_no_bytes_of_a_deleted_aggregate() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let ledgers = runtime.host_with::<Ledger>(Hosting::default().snapshot_every(2));
    for number in 0..20 {
        ledgers.execute("alice", Command::Blob(5_000 + number)).await.expect("accepted");
        ledgers.execute("bob", Command::Add(1)).await.expect("accepted");
    }
    let needle = [7u8; 1_000];
    let deleted = ledgers.delete("alice", Reuse::Never).await.expect("deleted");
    assert_eq!(deleted.commits, 20);
    let chain = runtime.reader().expect("open").maintenance().chain().expect("known");
    drop(ledgers);
    let report = runtime.shutdown(Duration::from_secs(60)).await;
    assert_eq!(report.unanswered, 0);
    drop(runtime);
    let compacted = actuarius::store::sled::compact(directory.path(), |_, _| {});
    let compacted = compacted.expect("compacted");
    assert!(compacted.bytes_after <= compacted.bytes_before);
    assert!(!bytes_hold(directory.path(), &needle));
    let runtime = Runtime::open(directory.path()).await.expect("opens");
    let reader = runtime.reader().expect("open");
    assert_eq!(reader.maintenance().chain().expect("known"), chain);
    let verified = reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.removed), (vec![], 20));
    assert_eq!(total(&runtime, "bob").await, 20);
}

/// The process ended between the end of the stream and the removal of the events before it.
#[tokio::test]
async fn an_interrupted_deletion_continues_when_the_runtime_is_opened_again() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    add(&runtime, "alice", 1..=100).await;
    drop(runtime);
    let mut store = memory::reopen(&contents);
    let stream = StreamId::new("ledger", "alice").expect("valid");
    let mut append = Append::new(stream, Version::new(100));
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: CommandId::from("end"),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push_deletion(commit, Deletion { reusable: true }).expect("small");
    let mut notes = Notes::default();
    notes.put(b"deleting/6/ledgeralice", b"").expect("small");
    let batch = Batch { appends: vec![append], notes: vec![notes], ..Batch::default() };
    store.writer.commit(&batch).expect("stored");
    let reader = store.reader.clone();
    drop(store);
    let (runtime, _) = open_on(&contents).await;
    eventually(|| reader.notes(b"deleting/", None, 1).expect("readable").is_empty()).await;
    let page = reader.read_log(Position::NONE, PageLimit::default()).expect("readable");
    let gone = page.commits.iter().filter(|commit| commit.gone() == Some(Gone::Removed)).count();
    assert_eq!((gone, page.commits.len()), (100, 101));
    assert_eq!(total(&runtime, "alice").await, 0);
}

/// A backup that was taken after a deletion, and is restored to a moment before it, has neither the
/// events nor the end of the stream. Earlier, the aggregate came back as if it had never existed.
#[tokio::test]
async fn removed_events_without_an_end_quarantine_their_aggregate() {
    let contents = Arc::<Contents>::default();
    let (runtime, _) = open_on(&contents).await;
    add(&runtime, "alice", [1, 2, 3]).await;
    add(&runtime, "bob", [10]).await;
    drop(runtime);
    let mut store = memory::reopen(&contents);
    let page = store.reader.read_log(Position::NONE, PageLimit::default()).expect("readable");
    let removals = page.commits[..2].iter().map(|it| Removal::of(it, Gone::Removed)).collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    drop(store);
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    let refused = ledgers.execute("alice", Command::Add(1)).await.expect_err("refused");
    let Some(Failure::Quarantined(why)) = refused.failure() else { panic!("{refused}") };
    assert_eq!((why.version, why.position), (Version::new(1), Some(Position::new(1))));
    assert!(matches!(why.reason, QuarantineReason::Removed), "{why}");
    assert_eq!(total(&runtime, "bob").await, 10, "no other aggregate is affected");
    // A deletion needs no state.
    let deleted = ledgers.delete("alice", Reuse::Allowed).await.expect("deleted");
    assert_eq!(deleted.version, Version::new(4));
    add(&runtime, "alice", [5]).await;
    assert_eq!(total(&runtime, "alice").await, 5);
}
