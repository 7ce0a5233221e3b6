//! Deletions of one id that fail or overlap, and those that were interrupted when the runtime is opened.

use std::sync::Arc;

use actuarius::operations::Reuse;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{Gone, PageLimit, Reader, fault};
use actuarius::{Position, Runtime, StreamId, Version};

use super::add;
use crate::common::{Ledger, Sum, eventually, is_waiting, open_on, send, until_held};

fn is_marked(reader: &dyn Reader) -> bool {
    !reader.notes(b"deleting/", None, 1).unwrap().is_empty()
}

/// Returns how many commits of the log are removed.
fn removed(reader: &dyn Reader) -> usize {
    let page = reader.read_log(Position::NONE, PageLimit::default()).unwrap();
    page.commits.iter().filter(|commit| commit.gone() == Some(Gone::Removed)).count()
}

/// The removal failed after the stream had ended. The caller tried again, which was refused, and took the mark of the
/// first deletion away: the events stayed in the store although the deletion was said to continue.
#[tokio::test]
async fn a_deletion_that_is_refused_leaves_the_mark_of_one_that_was_interrupted() {
    let contents = Arc::<Contents>::default();
    let (runtime, faults) = open_on(&contents).await;
    let (ledgers, alice) = (runtime.host::<Ledger>(), StreamId::new("ledger", "alice").unwrap());
    add(&runtime, "alice", 3).await;
    faults.fail_reads_of(&alice);
    ledgers.delete("alice", Reuse::Allowed).without_waiting().await.unwrap_err();
    faults.clear();
    assert!(is_marked(&*runtime.reader().unwrap()));
    add(&runtime, "alice", 1).await;
    faults.reject_append(&alice);
    ledgers.delete("alice", Reuse::Allowed).without_waiting().await.unwrap_err();
    assert!(is_marked(&*runtime.reader().unwrap()));
    assert_eq!(removed(&*runtime.reader().unwrap()), 0);
    drop((ledgers, runtime));
    let (runtime, _) = open_on(&contents).await;
    let reader = runtime.reader().unwrap();
    eventually(|| !is_marked(&*reader)).await;
    assert_eq!(removed(&*reader), 3);
    assert_eq!(runtime.host::<Ledger>().query("alice", |it| it.total).await.unwrap(), 1);
}

/// A deletion that was refused is not unfinished.
#[tokio::test]
async fn a_deletion_that_is_refused_leaves_no_mark() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    add(&runtime, "alice", 3).await;
    faults.reject_append(&StreamId::new("ledger", "alice").unwrap());
    let ledgers = runtime.host::<Ledger>();
    ledgers.delete("alice", Reuse::Allowed).without_waiting().await.unwrap_err();
    assert!(!is_marked(&*runtime.reader().unwrap()));
}

/// Two callers deleted an aggregate at the same time. The first one that was complete took the mark of the other one away.
#[tokio::test]
async fn deletions_of_one_id_follow_each_other() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let (ledgers, reader) = (runtime.host::<Ledger>(), runtime.reader().unwrap());
    add(&runtime, "alice", 3).await;
    let deletion = || send(ledgers.delete("alice", Reuse::Allowed).without_waiting());
    let hold = faults.hold();
    let mut first = deletion();
    let hold = until_held(hold).await;
    let mut second = deletion();
    assert!(is_waiting(&mut first) && is_waiting(&mut second));
    hold.release();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.version, second.version), (Version::new(4), Version::new(4)));
    assert_eq!((first.commits + second.commits, removed(&*reader)), (3, 3));
    assert!(!is_marked(&*reader));
    add(&runtime, "alice", 2).await;
    let third = deletion().await.unwrap();
    assert_eq!((third.version, third.commits), (Version::new(7), 3));
    assert_eq!((removed(&*reader), is_marked(&*reader)), (6, false));
}

/// The end of one interrupted deletion could not be read when the runtime was opened: none was resumed, and views
/// started with parts of the streams.
#[tokio::test]
async fn interrupted_deletions_are_resumed_although_one_cannot_be_read() {
    let contents = Arc::<Contents>::default();
    let (runtime, faults) = open_on(&contents).await;
    let ledgers = runtime.host::<Ledger>();
    for id in ["alice", "bob"] {
        add(&runtime, id, 3).await;
        faults.fail_reads_of(&StreamId::new("ledger", id).unwrap());
        ledgers.delete(id, Reuse::Never).without_waiting().await.unwrap_err();
    }
    drop((ledgers, runtime));
    let (store, faults) = fault::over(memory::reopen(&contents));
    faults.fail_reads_of(&StreamId::new("ledger", "alice").unwrap());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
    sum.wait_for(runtime.head()).await.unwrap();
    assert_eq!(sum.read(|sum| sum.0), 0, "none of them is taken");
    let reader = runtime.reader().unwrap();
    eventually(|| removed(&*reader) == 3).await;
    assert!(is_marked(&*reader));
    drop((sum, runtime, reader));
    let (runtime, _) = open_on(&contents).await;
    let reader = runtime.reader().unwrap();
    eventually(|| !is_marked(&*reader)).await;
    assert_eq!(removed(&*reader), 6);
}
