//! Compaction frees disk space, changes nothing that can be read, and survives a crash at any step.

use std::fs;
use std::path::Path;

use actuarius_domain::{CommandId, Metadata, Position, Timestamp, Version};
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Append, Batch, Codec, Gone, NewCommit, NewSnapshot, Notes, PageLimit, Removal, Store,
};
use tempfile::TempDir;

use crate::common::{commit, copy, events, stream};

/// A commit of bytes that do not compress.
fn append(id: &str, expected: u64, bytes: usize) -> Append {
    let mut rng = fastrand::Rng::with_seed(expected);
    let mut append = Append::new(stream(id), Version::new(expected));
    let commit = NewCommit {
        time: Timestamp::from_micros(1),
        command_id: CommandId::from(uuid::Uuid::from_u128(u128::from(rng.u64(..)))),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    let event = Event::Noise((0..bytes).map(|_| rng.u8(..)).collect());
    append.push(commit, Codec::Bincode, &[event], |_| 1).expect("encodable");
    append
}

#[derive(serde::Serialize)]
enum Event {
    Noise(Vec<u8>),
}

/// A store from which nearly everything was removed.
fn emptied() -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    for number in 0..400u64 {
        commit(&mut store, append(&(number % 4).to_string(), number / 4, 30_000));
    }
    let snapshot = NewSnapshot {
        stream: stream("0"),
        version: Version::new(1),
        position: Position::new(1),
        as_of: Position::new(1),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; 20_000].into(),
        keep: 3,
        keep_since: None,
    };
    let mut notes = Notes::default();
    notes.put(b"one", b"value").expect("small");
    let batch = Batch { snapshots: vec![snapshot], notes: vec![notes], ..Batch::default() };
    store.writer.commit(&batch).expect("stored");
    let mut at = Position::NONE;
    while at < Position::new(390) {
        let page = store.reader.read_log(at, PageLimit { commits: 30, bytes: usize::MAX });
        let commits = page.expect("readable").commits;
        at = commits.last().expect("there are more").last_position();
        let removals = commits.iter().map(|it| Removal::of(it, Gone::Removed)).collect();
        store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    }
    (directory, store)
}

fn check(directory: &Path, chain: &str) {
    let store = actuarius_sled::open(directory).expect("opens");
    assert_eq!(store.reader.maintenance().chain().expect("known").to_string(), chain);
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((&verified.findings[..], verified.snapshots, verified.notes), (&[][..], 1, 1));
    assert_eq!(events(&*store.reader).expect("readable"), 400);
    let snapshot = store.reader.snapshot(&stream("0"), None).expect("readable");
    assert_eq!(snapshot.expect("there").payload.len(), 20_000);
    assert_eq!(store.reader.note(b"one").expect("readable").expect("exists"), "value");
}

#[test]
fn the_disk_space_of_removed_events_is_freed_and_nothing_else_changes() {
    let (directory, store) = emptied();
    let (chain, identity) =
        (store.reader.maintenance().chain().expect("known"), store.reader.identity());
    drop(store);
    let mut reported = 0;
    let compacted =
        actuarius_sled::compact(directory.path(), |at, _| reported = at.get()).expect("compacted");
    assert_eq!(reported, 400);
    let (before, after) = (compacted.bytes_before, compacted.bytes_after);
    assert!(after * 2 < before, "{before} bytes became {after}");
    check(directory.path(), &chain.to_string());
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    assert_eq!(store.reader.identity(), identity);
    commit(&mut store, append("0", 100, 10));
    let names: Vec<_> = fs::read_dir(directory.path()).expect("listed").collect();
    assert_eq!(names.len(), 2, "the store and its lock: {names:?}");
}

#[test]
fn an_open_store_cannot_be_compacted() {
    let (directory, store) = emptied();
    assert!(actuarius_sled::compact(directory.path(), |_, _| {}).is_err());
    drop(store);
}

/// The states that a power cut can leave, from the first file of the copy to the last file of the
/// old store.
#[test]
fn a_crash_at_any_step_leaves_one_complete_store() {
    let (directory, store) = emptied();
    let chain = store.reader.maintenance().chain().expect("known").to_string();
    drop(store);
    let [at, original] = ["cut", "original"].map(|name| directory.path().join(name));
    copy(&directory.path().join("store"), &original);
    let places = |names: &[&str]| {
        drop(fs::remove_dir_all(&at));
        for name in names {
            copy(&original, &at.join(name));
        }
    };
    for left in [
        &["store"][..],
        &["store", "store.compacted"],
        &["store.compacted", "store.old"],
        &["store", "store.old"],
        &["store.old"],
    ] {
        places(left);
        check(&at, &chain);
        let names: Vec<_> = fs::read_dir(&at).expect("listed").collect();
        assert_eq!(names.len(), 2, "the store and its lock, after {left:?}: {names:?}");
    }
    places(&["store"]);
    fs::create_dir(at.join("store.creating")).expect("made");
    actuarius_sled::compact(&at, |_, _| {})
        .expect("leftovers of an interrupted compaction do not matter");
    check(&at, &chain);
}
